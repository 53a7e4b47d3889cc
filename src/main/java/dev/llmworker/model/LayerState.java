package dev.llmworker.model;

import dev.llmworker.model.device.Precision;

/// What a layer keeps of a sequence in a slot.
public sealed interface LayerState {
    /// How many states a slot has of a layer that does not keep all positions: the present one, and copies at
    /// earlier positions, from which other prompts can go on.
    int COPIES = 3;
    /// The most tokens of a sequence that a program runs in one call, if a layer does not keep all positions.
    int MOST_TOKENS = 128;

    /// Bytes that each position of a slot takes.
    ///
    /// @param cache format of keys and values
    default long perPosition(Precision cache) {
        return 0;
    }

    /// Bytes that a slot takes whatever its length, with the copies.
    default long fixed(Precision cache) {
        return 0;
    }

    /// In one word.
    String kind();

    /// Keys and values of all positions.
    ///
    /// @param heads of keys, and of values
    /// @param dim numbers of each
    record Full(int heads, int dim) implements LayerState {
        /// Stored prefixes have this text. The JVM would make this method at each start.
        @Override
        public String toString() {
            return "Full[heads=" + heads + ", dim=" + dim + "]";
        }

        @Override
        public long perPosition(Precision cache) {
            return 2L * heads * cache.bytes(dim);
        }

        @Override
        public String kind() {
            return "full";
        }
    }

    /// Keys and values of the last positions: what a window sees, and the tokens of a call. Position `p` is at
    /// `p % length`.
    ///
    /// @param heads as of [Full]
    /// @param dim as of [Full]
    /// @param window positions that a token sees, itself included
    record Ring(int heads, int dim, int window) implements LayerState {
        /// How many positions the native program attends to at a time. They lie side by side.
        public static final int PIECE = 256;

        /// Positions that it holds.
        public int length() {
            return Math.ceilDiv(window + MOST_TOKENS - 1, PIECE) * PIECE;
        }

        /// Whether it takes less than all positions of a slot.
        boolean pays(long positions) {
            return (long) COPIES * length() < positions;
        }

        @Override
        public long fixed(Precision cache) {
            return 2L * heads * cache.bytes(dim) * length() * COPIES;
        }

        @Override
        public String kind() {
            return "window";
        }
    }

    /// A state of a fixed size, in float32.
    record Recurrent(long numbers) implements LayerState {
        @Override
        public long fixed(Precision cache) {
            return COPIES * numbers * Float.BYTES;
        }

        @Override
        public String kind() {
            return "recurrent";
        }
    }
}
