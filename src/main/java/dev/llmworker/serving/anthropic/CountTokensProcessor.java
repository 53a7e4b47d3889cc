package dev.llmworker.serving.anthropic;

import dev.llmworker.generation.Generator;
import dev.llmworker.serving.delivery.Caller;
import dev.llmworker.serving.delivery.PromptTokens;
import dev.llmworker.serving.request.ServedModel;
import dev.llmworker.serving.wire.ParsedBody;
import java.util.Map;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;

/// The bean `countTokens`: how many tokens the prompt of a request to the bean `messages` has. The body is a `Map` with
/// the fields of that request. It becomes a `Map` with `input_tokens`.
public final class CountTokensProcessor implements Processor {
    private final PromptTokens tokens;
    private final ServedModel model;

    public CountTokensProcessor(PromptTokens tokens, Generator generator) {
        this.tokens = tokens;
        this.model = new ServedModel(generator);
    }

    @Override
    public void process(Exchange exchange) {
        var body = ParsedBody.of(exchange);
        var _ = model.id(body);
        var caller = Caller.of(exchange);
        var request = MessageRequest.counted(body).withRequestId(caller.client().requestId());
        ParsedBody.drop(exchange);
        exchange.getMessage().setBody(Map.of("input_tokens", tokens.count(request, caller)));
    }
}
