package dev.llmworker.generation.memory;

/// Counts the memory that one request holds, against what all requests may hold together.
///
/// Threading: any thread.
public interface HeldMemory {
    /// Counts nothing.
    HeldMemory UNCOUNTED = new HeldMemory() {
        @Override
        public void take(long bytes) {}

        @Override
        public void add(long bytes) {}
    };

    /// Counts `bytes` more.
    ///
    /// @throws dev.llmworker.generation.RefusedException if there is no room for them
    void take(long bytes);

    /// Counts `bytes` more, or fewer if negative, even if there is no room: they are in memory already, and soon gone.
    /// New work is then rejected until there is room again.
    void add(long bytes);
}
