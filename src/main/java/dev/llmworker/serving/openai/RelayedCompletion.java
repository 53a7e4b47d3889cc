package dev.llmworker.serving.openai;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.OpenAiRelay;
import dev.llmworker.generation.OpenAiRequest;
import dev.llmworker.generation.RelayEvent;
import dev.llmworker.sampling.ParameterException;
import dev.llmworker.serving.connection.HttpClient;
import dev.llmworker.serving.delivery.Caller;
import dev.llmworker.serving.delivery.Generations;
import dev.llmworker.serving.delivery.SseWriter;
import dev.llmworker.serving.request.UnsupportedFields;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import java.nio.charset.StandardCharsets;
import org.apache.camel.Exchange;

/// A request of OpenAI's API that another server answers. Its events are streamed unchanged, or assembled into a whole
/// answer if the client does not stream.
final class RelayedCompletion {
    private final OpenAiRelay relay;
    private final OpenAiRequest request;

    RelayedCompletion(OpenAiRelay relay, OpenAiRequest request) {
        this.relay = relay;
        this.request = request;
    }

    void answer(Exchange exchange, HttpClient client, Generations generations) {
        var choices = choices();
        var fields = new RequestFields(request.body());
        UnsupportedFields.refuseInRelay(fields);
        var caller = Caller.of(exchange);
        if (fields.flag("stream", false)) {
            var usage = new RequestFields(fields.object("stream_options")).flag("include_usage", false);
            var writer = new RelayWriter(choices, usage);
            var stream = new SseWriter(client);
            stream.run(() -> generations.relay(relay, request, caller, new Streamed(stream, writer)), writer);
            exchange.setRouteStop(true);
            return;
        }
        CompletionRequest.checkStreamOptions(fields, false);
        var chunks = new ChunkAssembler();
        var ending = generations.relay(relay, request, caller, new Collected(client, chunks));
        if (ending.finished().reason() == FinishReason.ERROR) {
            throw new RequestException(JsonError.failed(ending.finished()));
        }
        if (chunks.isEmpty()) {
            throw new RequestException(unanswered(ending.finished()));
        }
        var message = exchange.getMessage();
        message.setHeader(Exchange.CONTENT_TYPE, JsonError.CONTENT_TYPE);
        message.setBody(chunks.answer(ending.openAiReason()).getBytes(StandardCharsets.UTF_8));
    }

    private int choices() {
        try {
            return request.choices();
        } catch (ParameterException e) {
            throw RequestException.of(e);
        }
    }

    /// The error of a request that was ended before anything came.
    static JsonError unanswered(GenerationEvent.Finished finished) {
        return switch (finished.reason()) {
            case TIMEOUT ->
                JsonError.of(504, "timeout", "the engine's server did not answer within the worker's time limit");
            case STOP, TOOL_CALLS, CONTENT_FILTER, LENGTH ->
                JsonError.of(502, "engine_failed", "the engine's server sent an answer without content");
            case CANCELLED, ERROR -> JsonError.failed(finished);
        };
    }

    private record Streamed(SseWriter stream, RelayWriter writer) implements Generations.RelayReader {
        @Override
        public void accepted() {
            stream.open();
        }

        @Override
        public boolean chunk(RelayEvent.Chunk chunk) {
            return stream.send(writer.chunk(chunk));
        }
    }

    private record Collected(HttpClient client, ChunkAssembler chunks) implements Generations.RelayReader {
        @Override
        public boolean chunk(RelayEvent.Chunk chunk) {
            chunks.add(chunk.json());
            return !client.isGone();
        }

        @Override
        public long keptBytes() {
            return chunks.heldBytes();
        }
    }
}
