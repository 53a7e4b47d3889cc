package dev.llmworker.serving.openai;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.OpenAiRelay;
import dev.llmworker.generation.OpenAiRequest;
import dev.llmworker.serving.delivery.Caller;
import dev.llmworker.serving.delivery.EventStream;
import dev.llmworker.serving.delivery.Generations;
import dev.llmworker.serving.wire.Details;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import io.vertx.core.http.HttpServerResponse;
import java.nio.charset.StandardCharsets;
import org.apache.camel.Exchange;

/// A request of OpenAI's API that another server answers: its events go on as they are, or are put together where the
/// client wants the answer as a whole.
final class RelayedCompletion {
    private final OpenAiRelay relay;
    private final OpenAiRequest request;

    RelayedCompletion(OpenAiRelay relay, OpenAiRequest request) {
        this.relay = relay;
        this.request = request;
    }

    void answer(Exchange exchange, HttpServerResponse client, Generations generations) {
        var fields = new RequestFields(request.body());
        if (fields.flag("stream", false)) {
            var usage = new RequestFields(fields.object("stream_options")).flag("include_usage", false);
            var stream = new EventStream(client, new RelayForm(request.choices(), usage));
            stream.run(() -> generations.relay(relay, request, Caller.of(exchange), stream));
            exchange.setRouteStop(true);
            return;
        }
        if (fields.has("stream_options")) {
            throw RequestException.invalid("stream_options", "stream_options needs \"stream\": true");
        }
        var answer = new Answer(client);
        var finished = generations.relay(relay, request, Caller.of(exchange), answer);
        if (finished.reason() == FinishReason.ERROR) {
            throw new RequestException(JsonError.failed(finished));
        }
        if (answer.chunks.isEmpty()) {
            throw new RequestException(unanswered(finished));
        }
        var message = exchange.getMessage();
        message.setHeader(Exchange.CONTENT_TYPE, JsonError.CONTENT_TYPE);
        message.setBody(answer.chunks.answer(Details.reason(finished)).getBytes(StandardCharsets.UTF_8));
    }

    /// What is said of a request that was ended before anything came.
    static JsonError unanswered(GenerationEvent.Finished finished) {
        return finished.reason() == FinishReason.TIMEOUT
                ? JsonError.of(504, "timeout", "the engine's server did not answer within the worker's time limit")
                : JsonError.failed(finished);
    }

    /// Collects an answer that is sent as a whole.
    private static final class Answer implements Generations.Reader {
        private final HttpServerResponse client;
        private final ChunkAssembler chunks = new ChunkAssembler();

        Answer(HttpServerResponse client) {
            this.client = client;
        }

        @Override
        public void began(Generation generation) {
            client.closeHandler(_ -> generation.close());
            if (client.closed()) {
                generation.close();
            }
        }

        @Override
        public boolean token(GenerationEvent.Token token) {
            throw new IllegalStateException("a relayed request is answered by chunks");
        }

        @Override
        public boolean chunk(GenerationEvent.Chunk chunk) {
            chunks.add(chunk.json());
            return !client.closed();
        }
    }
}
