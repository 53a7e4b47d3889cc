package dev.llmworker.generation;

/// Keeps the cached prefix of a conversation for its next request: that of the newest request, until the conversation
/// ends. Prefixes that nobody holds go first. At most half of the slots are held. If there are more, the API key that
/// holds most loses its oldest hold.
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
