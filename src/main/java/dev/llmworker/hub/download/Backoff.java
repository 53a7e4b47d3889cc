package dev.llmworker.hub.download;

/// How often a failed download is retried, and after what waits.
///
/// @param attempts how many attempts in a row may fail without new bytes before the download is given up
/// @param firstMillis the wait after the first failure; it doubles with each further one
/// @param longestMillis the longest wait, also for a server's `Retry-After`
public record Backoff(int attempts, long firstMillis, long longestMillis, Pause pause) {
    /// Waits; a test records the wait instead.
    public interface Pause {
        void millis(long millis) throws InterruptedException;
    }

    public static Backoff standard() {
        return new Backoff(6, 1_000, 60_000, Thread::sleep);
    }

    /// @param failures how many attempts have failed in a row, from 1
    /// @param askedMillis the wait that the server asks for; 0 for none
    public long waitMillis(int failures, long askedMillis) {
        var doubled = firstMillis << Math.min(failures - 1, 20);
        return Math.min(Math.max(doubled, askedMillis), longestMillis);
    }
}
