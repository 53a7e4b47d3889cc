package dev.llmworker.serving.openai;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Generator;
import dev.llmworker.generation.OpenAiRelay;
import dev.llmworker.generation.OpenAiRequest;
import dev.llmworker.serving.camel.ClientResponse;
import dev.llmworker.serving.delivery.Caller;
import dev.llmworker.serving.delivery.EventStream;
import dev.llmworker.serving.delivery.Generations;
import dev.llmworker.serving.delivery.WholeAnswer;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestException;
import java.nio.charset.StandardCharsets;
import java.time.InstantSource;
import java.util.Map;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;

/// The beans `chatCompletions` and `completions`: OpenAI's API over the one model that is loaded. The body is a `Map`
/// with the fields of a request; the answer is JSON, or server-sent events with `"stream": true`. A client that leaves
/// ends its generation. Where another server of this API generates, it gets the request as it is.
public final class CompletionProcessor implements Processor {
    private final Generations generations;
    private final ServedModel model;
    private final InstantSource clock;
    private final Kind kind;

    /// The two forms of the API.
    public enum Kind {
        CHAT {
            @Override
            OpenAiRequest.Form relayed() {
                return OpenAiRequest.Form.CHAT;
            }

            @Override
            CompletionRequest request(Map<?, ?> body) {
                return CompletionRequest.chat(body);
            }

            @Override
            CompletionForm form(CompletionRequest request, String modelId, long createdSeconds) {
                return new ChatForm(request, modelId, createdSeconds);
            }
        },
        TEXT {
            @Override
            OpenAiRequest.Form relayed() {
                return OpenAiRequest.Form.TEXT;
            }

            @Override
            CompletionRequest request(Map<?, ?> body) {
                return CompletionRequest.text(body);
            }

            @Override
            CompletionForm form(CompletionRequest request, String modelId, long createdSeconds) {
                return new TextForm(request, modelId, createdSeconds);
            }
        };

        abstract OpenAiRequest.Form relayed();

        abstract CompletionRequest request(Map<?, ?> body);

        abstract CompletionForm form(CompletionRequest request, String modelId, long createdSeconds);
    }

    public CompletionProcessor(Kind kind, Generations generations, Generator generator, InstantSource clock) {
        this.kind = kind;
        this.generations = generations;
        this.model = new ServedModel(generator);
        this.clock = clock;
    }

    @Override
    public void process(Exchange exchange) {
        var message = exchange.getMessage();
        var client = ClientResponse.of(exchange);
        if (client == null || !(message.getBody() instanceof Map<?, ?> body)) {
            throw new IllegalStateException(
                    "OpenAI's API serves routes from platform-http, with a body that strictJson has unmarshalled");
        }
        var modelId = model.id(body);
        if (model.generator() instanceof OpenAiRelay relay) {
            var request = new OpenAiRequest(kind.relayed(), body, ClientResponse.requestId(exchange));
            new RelayedCompletion(relay, request).answer(exchange, client, generations);
            return;
        }
        var request = kind.request(body).withRequestId(ClientResponse.requestId(exchange));
        var form = kind.form(request, modelId, clock.instant().getEpochSecond());
        if (request.stream()) {
            new EventStream(client, form).run(generations, request.generation(), Caller.of(exchange));
            exchange.setRouteStop(true);
            return;
        }
        var answer = new WholeAnswer(client);
        var finished = generations.run(request.generation(), Caller.of(exchange), answer);
        if (finished.reason() == FinishReason.ERROR) {
            throw new RequestException(JsonError.failed(finished));
        }
        var logprobs = request.generation().sampling().logprobs().isPresent();
        message.setHeader(Exchange.CONTENT_TYPE, JsonError.CONTENT_TYPE);
        message.setBody(form.answer(answer, finished, logprobs).getBytes(StandardCharsets.UTF_8));
    }
}
