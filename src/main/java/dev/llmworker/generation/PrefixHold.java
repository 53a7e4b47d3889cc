package dev.llmworker.generation;

/// Keeps the cached prefix of a conversation for its next request: that of the newest request, until the conversation
/// ends. Prefixes that nobody holds go first. At most half of the slots are held: of more, the oldest is held no longer
/// of the API key that holds most.
///
/// Threading: any thread.
public final class PrefixHold {
    private volatile boolean over;

    /// The conversation ends.
    public void release() {
        over = true;
    }

    public boolean isOver() {
        return over;
    }
}
