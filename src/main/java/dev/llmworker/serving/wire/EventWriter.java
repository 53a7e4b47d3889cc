package dev.llmworker.serving.wire;

import dev.llmworker.generation.GenerationEvent;
import java.util.List;

/// Writes the data of the server-sent events of a streamed answer.
///
/// Threading: one answer, one thread.
public interface EventWriter {
    /// Sent when the request is accepted.
    default List<String> began() {
        return List.of();
    }

    List<String> finished(Ending ending);

    /// Sent instead of the rest if the answer cannot go on.
    String failed(JsonError error);

    /// Writes the answers of generations.
    interface OfTokens extends EventWriter {
        List<String> token(GenerationEvent.Token token);
    }
}
