package dev.llmworker.serving.wire;

import dev.llmworker.generation.GenerationEvent;
import java.util.List;

/// Writes the server-sent events of a streamed answer.
///
/// Threading: one answer, one thread.
public interface EventWriter {
    /// Sent when the request is accepted.
    ///
    /// @param promptTokens as [dev.llmworker.generation.Answer#promptTokens()] has it
    default List<StreamEvent> accepted(int promptTokens) {
        return List.of();
    }

    List<StreamEvent> finished(Ending ending);

    /// Sent instead of the rest if the answer cannot go on.
    StreamEvent failed(JsonError error);

    /// Writes the answers of generations.
    interface OfTokens extends EventWriter {
        List<StreamEvent> token(GenerationEvent.Token token);
    }
}
