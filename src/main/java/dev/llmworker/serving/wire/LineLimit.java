package dev.llmworker.serving.wire;

import java.time.Duration;
import java.util.function.LongSupplier;

/// Limits how many log lines of one kind are written in a second, and counts the others.
///
/// Threading: any thread.
final class LineLimit {
    static final int LINES = 20;
    static final Duration WINDOW = Duration.ofSeconds(1);

    private final LongSupplier nanos;
    private long windowBegan;
    private int written;
    private long leftOut;

    LineLimit(LongSupplier nanos) {
        this.nanos = nanos;
        windowBegan = nanos.getAsLong();
    }

    /// Returns a negative number if the line must not be written; otherwise how many were left out before it.
    synchronized long admit() {
        var now = nanos.getAsLong();
        if (now - windowBegan >= WINDOW.toNanos()) {
            windowBegan = now;
            written = 0;
        }
        if (written >= LINES) {
            leftOut++;
            return -1;
        }
        written++;
        var before = leftOut;
        leftOut = 0;
        return before;
    }
}
