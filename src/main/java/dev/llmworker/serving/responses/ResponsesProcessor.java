package dev.llmworker.serving.responses;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Generator;
import dev.llmworker.generation.OpenAiRelay;
import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.connection.HttpClient;
import dev.llmworker.serving.delivery.Caller;
import dev.llmworker.serving.delivery.Generations;
import dev.llmworker.serving.delivery.SseWriter;
import dev.llmworker.serving.request.ServedModel;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.ParsedBody;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.text.chat.ChatMessage;
import java.nio.charset.StandardCharsets;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;
import org.jspecify.annotations.Nullable;

/// The bean `responses`: OpenAI's API of responses over the one model that is loaded, or over another server that may
/// know chat completions alone. The body is a `Map` with the fields of a request; the answer is JSON, or server-sent
/// events with `"stream": true`. The generation stops when the client disconnects.
public final class ResponsesProcessor implements Processor {
    private final Generations generations;
    private final ServedModel model;
    private final ResponseStore store;
    private final InstantSource clock;

    public ResponsesProcessor(Generations generations, Generator generator, ResponseStore store, InstantSource clock) {
        this.generations = generations;
        this.model = new ServedModel(generator);
        this.store = store;
        this.clock = clock;
    }

    /// What the store has for one client.
    private record Kept(ResponseStore store, Client client) implements ResponseRequest.Kept {
        @Override
        public @Nullable List<ChatMessage> turns(String id) {
            var found = store.find(client, id);
            return found == null ? null : found.turns();
        }

        @Override
        public ResponseStore.@Nullable Item item(String id) {
            return store.item(client, id);
        }

        @Override
        public boolean isOn() {
            return store.isOn();
        }
    }

    @Override
    public void process(Exchange exchange) {
        var message = exchange.getMessage();
        if (!(Client.of(exchange) instanceof HttpClient client) || !(message.getBody() instanceof Map<?, ?> body)) {
            throw new IllegalStateException(
                    "the API of responses serves routes from platform-http, with a body that strictJson has"
                            + " unmarshalled");
        }
        var modelId = model.id(body);
        // Until the exchange is done, because the answer is written after this step.
        var held = generations.hold();
        ParsedBody.closeAfter(exchange, held::close);
        var relays = model.generator() instanceof OpenAiRelay;
        var request = ResponseRequest.read(body, ResponseRequest.Transport.HTTP, relays, new Kept(store, client), held)
                .withRequestId(client.requestId());
        ParsedBody.drop(exchange);
        var created = clock.instant().getEpochSecond();
        var writer = new ResponseWriter(
                request, modelId, created, held, null, (id, stored, _) -> store.finish(client, id, stored, null));
        try {
            if (request.stream()) {
                stream(request, writer, client, Caller.of(exchange).route());
                exchange.setRouteStop(true);
                return;
            }
            var reader = new ResponseReader(store, client, writer, _ -> !client.isGone());
            var ending = generations.run(request.generation(), Caller.of(exchange), reader);
            if (ending.finished().reason() == FinishReason.ERROR) {
                throw new RequestException(JsonError.failed(ending.finished()));
            }
            message.setHeader(Exchange.CONTENT_TYPE, JsonError.CONTENT_TYPE);
            message.setBody(writer.end(ending).getBytes(StandardCharsets.UTF_8));
        } finally {
            var _ = store.finish(client, writer.id(), null, null);
        }
    }

    private void stream(ResponseRequest request, ResponseWriter writer, HttpClient client, String route) {
        var stream = new SseWriter(client);
        var reader = new ResponseReader(store, client, writer, events -> {
            stream.open();
            return stream.send(events);
        });
        stream.run(() -> generations.run(request.generation(), new Caller(client, route), reader), writer);
    }
}
