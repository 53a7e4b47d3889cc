package dev.llmworker.serving.responses;

import dev.llmworker.generation.Answer;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.Generator;
import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.connection.HttpClient;
import dev.llmworker.serving.delivery.Caller;
import dev.llmworker.serving.delivery.Generations;
import dev.llmworker.serving.delivery.SseWriter;
import dev.llmworker.serving.request.ServedModel;
import dev.llmworker.serving.wire.Ending;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.ParsedBody;
import dev.llmworker.serving.wire.RequestException;
import java.nio.charset.StandardCharsets;
import java.time.InstantSource;
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
        public ResponseStore.@Nullable Stored response(String id) {
            return store.find(client, id);
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
        var request = ResponseRequest.read(body, generations.relays(), new Kept(store, client))
                .withRequestId(client.requestId());
        ParsedBody.drop(exchange);
        var writer = new ResponseWriter(
                request, modelId, clock.instant().getEpochSecond(), stored -> store.put(client, stored));
        try (var held = generations.hold()) {
            held.take(request.heldBytes());
            var caller = Caller.of(exchange);
            if (request.stream()) {
                var stream = new SseWriter(client);
                var streaming = new Caller(client, caller.route());
                stream.run(() -> run(request, streaming, new Reader(client, writer, stream)), writer);
                exchange.setRouteStop(true);
                return;
            }
            var ending = run(request, caller, new Reader(client, writer, null));
            if (ending.finished().reason() == FinishReason.ERROR) {
                throw new RequestException(JsonError.failed(ending.finished()));
            }
            message.setHeader(Exchange.CONTENT_TYPE, JsonError.CONTENT_TYPE);
            message.setBody(writer.end(ending).getBytes(StandardCharsets.UTF_8));
        } finally {
            store.end(writer.id());
        }
    }

    private Ending run(ResponseRequest request, Caller caller, Reader reader) {
        return generations.run(request.generation(), caller, reader);
    }

    /// Reads the tokens of one response.
    private final class Reader implements Generations.Reader {
        private final HttpClient client;
        private final ResponseWriter writer;
        private final @Nullable SseWriter stream;
        private @Nullable Answer<?> answer;

        /// @param stream null if the answer goes as a whole
        Reader(HttpClient client, ResponseWriter writer, @Nullable SseWriter stream) {
            this.client = client;
            this.writer = writer;
            this.stream = stream;
        }

        @Override
        public void began(Answer<?> begun) {
            answer = begun;
            store.begin(writer.id(), new ResponseStore.Running(client.cacheSalt(), begun::close, writer::json));
        }

        @Override
        public void accepted() {
            if (stream != null) {
                stream.open();
                stream.send(writer.accepted(answer == null ? 0 : answer.promptTokens()));
            }
        }

        @Override
        public boolean token(GenerationEvent.Token token) {
            var events = writer.token(token);
            return stream == null ? !client.isGone() : stream.send(events);
        }

        @Override
        public long keptBytes() {
            return writer.keptBytes();
        }
    }
}
