package dev.llmworker.generation;

import dev.llmworker.generation.memory.HeldEvent;

/// An event of a relayed request: any number of chunks, then a [GenerationEvent.Finished].
public sealed interface RelayEvent extends HeldEvent permits RelayEvent.Chunk, GenerationEvent.Finished {
    /// An event of OpenAI's API as the other server wrote it.
    ///
    /// @param isUsage whether it carries token counts and nothing else
    record Chunk(String json, boolean isUsage) implements RelayEvent {
        @Override
        public long heldBytes() {
            return HeldEvent.of(json);
        }
    }
}
