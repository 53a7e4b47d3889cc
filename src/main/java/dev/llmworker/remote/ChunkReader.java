package dev.llmworker.remote;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.generation.RelayEvent;
import java.util.function.Consumer;

/// Passes each event on unchanged, for clients of the same API.
final class ChunkReader extends AnswerReader<RelayEvent> {
    ChunkReader(int choices) {
        super(choices);
    }

    @Override
    void emit(JsonNode event, String data, Consumer<RelayEvent> events) {
        var isUsage = event.path("choices").isEmpty() && event.path("usage").isObject();
        // An event may have several lines. The line breaks are between parts of the JSON, so spaces can replace
        // them.
        events.accept(new RelayEvent.Chunk(data.replace('\n', ' '), isUsage));
    }
}
