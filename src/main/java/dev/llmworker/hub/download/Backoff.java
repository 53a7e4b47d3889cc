package dev.llmworker.hub.download;

/// How often, and after what waits, a fetch that fails is tried again.
///
/// @param attempts how many may fail in a row without new bytes before the fetch is given up
/// @param firstMillis the wait after the first failure; it doubles with each
/// @param longestMillis where the doubling stops, and the most that a server's `Retry-After` can ask for
public record Backoff(int attempts, long firstMillis, long longestMillis, Pause pause) {
    /// Waits; tests note the wait instead.
    public interface Pause {
        void millis(long millis) throws InterruptedException;
    }

    public static Backoff standard() {
        return new Backoff(6, 1_000, 60_000, Thread::sleep);
    }

    /// @param failures how many attempts have failed in a row, from 1
    /// @param askedMillis what the server asks for, 0 where it asks for nothing
    public long waitMillis(int failures, long askedMillis) {
        var doubled = firstMillis << Math.min(failures - 1, 20);
        return Math.min(Math.max(doubled, askedMillis), longestMillis);
    }
}
