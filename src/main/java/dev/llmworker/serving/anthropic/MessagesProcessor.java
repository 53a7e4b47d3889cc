package dev.llmworker.serving.anthropic;

import dev.llmworker.generation.Generator;
import dev.llmworker.generation.OpenAiRelay;
import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.connection.HttpClient;
import dev.llmworker.serving.delivery.Caller;
import dev.llmworker.serving.delivery.Generations;
import dev.llmworker.serving.delivery.SseWriter;
import dev.llmworker.serving.delivery.WholeAnswer;
import dev.llmworker.serving.request.ServedModel;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.ParsedBody;
import java.util.Map;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;

/// The bean `messages`: Anthropic's API over the one model that is loaded, or over another server. The body is a `Map`
/// with the fields of a request; the answer is JSON, or server-sent events with `"stream": true`. The generation stops
/// when the client disconnects.
public final class MessagesProcessor implements Processor {
    private final Generations generations;
    private final ServedModel model;

    public MessagesProcessor(Generations generations, Generator generator) {
        this.generations = generations;
        this.model = new ServedModel(generator);
    }

    @Override
    public void process(Exchange exchange) {
        var message = exchange.getMessage();
        if (!(Client.of(exchange) instanceof HttpClient client) || !(message.getBody() instanceof Map<?, ?> body)) {
            throw new IllegalStateException(
                    "Anthropic's API serves routes from platform-http, with a body that strictJson has unmarshalled");
        }
        var modelId = model.id(body);
        var relays = model.generator() instanceof OpenAiRelay;
        var request = MessageRequest.read(body, relays).withRequestId(client.requestId());
        ParsedBody.drop(exchange);
        var writer = new MessageWriter(request, modelId);
        var caller = Caller.of(exchange);
        if (request.stream()) {
            SseWriter.stream(generations, request.generation(), caller.route(), client, writer);
            exchange.setRouteStop(true);
            return;
        }
        var answer = new WholeAnswer(caller);
        var ending = answer.run(generations, request.generation());
        message.setHeader(Exchange.CONTENT_TYPE, JsonError.CONTENT_TYPE);
        message.setBody(writer.answer(answer, ending));
    }
}
