package dev.llmworker.remote;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.generation.RelayEvent;
import java.util.function.Consumer;

/// Hands each event on as it came, for clients of the same API.
final class ChunkReader extends AnswerReader<RelayEvent> {
    ChunkReader(int choices) {
        super(choices);
    }

    @Override
    void emit(JsonNode event, String data, Consumer<RelayEvent> events) {
        var isUsage = event.path("choices").isEmpty() && event.path("usage").isObject();
        // Between the parts of JSON, where the event had several lines; it is to be one line again.
        events.accept(new RelayEvent.Chunk(data.replace('\n', ' '), isUsage));
    }
}
