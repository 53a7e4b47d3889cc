package dev.llmworker.generation.memory;

/// An event of an answer that is in memory until somebody reads it.
public interface HeldEvent {
    /// About what an event takes besides its texts.
    long OBJECT_BYTES = 128;
    /// A character of a text, at most.
    long CHARACTER_BYTES = 2;

    /// About how many bytes of memory it takes, at most.
    long heldBytes();

    /// Whether no event follows.
    default boolean isLast() {
        return false;
    }

    static long of(String text) {
        return OBJECT_BYTES + CHARACTER_BYTES * text.length();
    }
}
