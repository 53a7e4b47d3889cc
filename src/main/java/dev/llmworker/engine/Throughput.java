package dev.llmworker.engine;

import java.util.function.LongSupplier;

/// How fast requests get done, so that one that is refused can be told when there will be room.
///
/// Threading: any thread.
final class Throughput {
    private static final int WINDOW = 64;
    private static final double NANOS_PER_SECOND = 1e9;

    private final LongSupplier clock;
    /// When the last ones ended, in nanoseconds during which there was one: what no request waited for is no pace.
    private final long[] ends = new long[WINDOW];

    private long ended;
    private int present;
    private long busyNanos;
    private long busySinceNanos;

    /// @param clock in nanoseconds
    Throughput(LongSupplier clock) {
        this.clock = clock;
    }

    /// A request waits or runs.
    synchronized void began() {
        if (present++ == 0) {
            busySinceNanos = clock.getAsLong();
        }
    }

    /// A request that began waits and runs no more.
    synchronized void ended() {
        var now = busyNanos();
        ends[(int) (ended++ % WINDOW)] = now;
        if (--present == 0) {
            busyNanos = now;
        }
    }

    /// A request that began was refused after all.
    synchronized void withdrawn() {
        var now = busyNanos();
        if (--present == 0) {
            busyNanos = now;
        }
    }

    private long busyNanos() {
        return busyNanos + (present == 0 ? 0 : clock.getAsLong() - busySinceNanos);
    }

    /// Seconds until `requests` more have ended, at the pace of the last ones; from 1 to `most`.
    synchronized int secondsFor(int requests, int most) {
        var now = busyNanos();
        var measured = (int) Math.min(ended, WINDOW - 1);
        // While none has ended, it will take as long as it has taken, for all that is known.
        var nanosEach = measured == 0 ? (double) now / Math.max(1, requests) : (double) (now - first()) / measured;
        return (int) Math.clamp(Math.ceil(nanosEach * requests / NANOS_PER_SECOND), 1, most);
    }

    /// When the time began in which those were counted.
    private long first() {
        return ended < WINDOW ? 0 : ends[(int) (ended % WINDOW)];
    }
}
