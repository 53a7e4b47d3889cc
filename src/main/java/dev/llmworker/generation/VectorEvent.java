package dev.llmworker.generation;

import dev.llmworker.generation.memory.HeldEvent;

/// The events of a request for vectors: one for each text, in any order, then one [GenerationEvent.Finished].
public sealed interface VectorEvent extends HeldEvent permits VectorEvent.Vector, GenerationEvent.Finished {
    /// The vector of a text.
    ///
    /// @param index of the text in its request
    record Vector(int index, float[] values) implements VectorEvent {
        @Override
        public long heldBytes() {
            return OBJECT_BYTES + (long) values.length * Float.BYTES;
        }
    }
}
