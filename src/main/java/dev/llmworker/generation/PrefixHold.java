package dev.llmworker.generation;

/// Keeps the cached prefix of a conversation for its next request: that of the newest request, until the conversation
/// ends. Prefixes that nobody holds go first, as long as at most half of the slots are held.
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
