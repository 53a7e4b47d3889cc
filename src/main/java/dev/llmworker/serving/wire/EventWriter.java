package dev.llmworker.serving.wire;

import dev.llmworker.generation.GenerationEvent;
import java.util.List;

/// Writes the server-sent events of a streamed answer. Each may be written only when it is its turn to be sent.
///
/// Threading: one answer, one thread.
public interface EventWriter {
    /// Sent when the request is accepted.
    ///
    /// @param promptTokens as [dev.llmworker.generation.Answer#promptTokens()] has it
    default Iterable<StreamEvent> accepted(int promptTokens) {
        return List.of();
    }

    Iterable<StreamEvent> finished(Ending ending);

    /// Sent instead of the rest if the answer cannot go on.
    StreamEvent failed(JsonError error);

    /// Writes the answers of generations.
    interface OfTokens extends EventWriter {
        Iterable<StreamEvent> token(GenerationEvent.Token token);
    }
}
