package dev.llmworker.serving.wire;

import dev.llmworker.generation.GenerationEvent;
import java.util.List;

/// What each event of a streamed answer says: the data of its server-sent events.
///
/// Threading: one answer, one thread.
public interface EventForm {
    /// Sent when the request is accepted.
    List<String> began();

    List<String> token(GenerationEvent.Token token);

    default List<String> chunk(GenerationEvent.Chunk chunk) {
        throw new IllegalStateException("only a relayed request is answered by chunks");
    }

    List<String> finished(GenerationEvent.Finished finished);

    /// Sent in the place of what is left when the answer cannot go on.
    String failed(JsonError error);
}
