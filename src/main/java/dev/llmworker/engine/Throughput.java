package dev.llmworker.engine;

import java.util.function.LongSupplier;

/// Measures how fast requests finish, so that a refused client learns when to try again.
///
/// Threading: any thread.
final class Throughput {
    private static final int WINDOW = 64;
    private static final double NANOS_PER_SECOND = 1e9;

    private final LongSupplier clock;
    /// When the latest requests ended, in nanoseconds of busy time: idle time does not count.
    private final long[] ends = new long[WINDOW];

    private long ended;
    private int present;
    private long busyNanos;
    private long busySinceNanos;

    /// @param clock in nanoseconds
    Throughput(LongSupplier clock) {
        this.clock = clock;
    }

    /// A request has started to wait or run.
    synchronized void began() {
        if (present == 0) {
            busySinceNanos = clock.getAsLong();
        }
        present++;
    }

    /// A request that began has ended.
    synchronized void ended() {
        try {
            ends[(int) (ended % WINDOW)] = busyNanos();
            ended++;
        } finally {
            left();
        }
    }

    /// A request that began was refused after all.
    synchronized void withdrawn() {
        left();
    }

    private void left() {
        try {
            busyNanos = present == 1 ? busyNanos() : busyNanos;
        } finally {
            present--;
        }
    }

    /// How many requests wait or run.
    synchronized int present() {
        return present;
    }

    private long busyNanos() {
        return busyNanos + (present == 0 ? 0 : clock.getAsLong() - busySinceNanos);
    }

    /// Estimates the seconds until `requests` more have ended, at the recent pace; from 1 to `most`.
    synchronized int secondsFor(int requests, int most) {
        var now = busyNanos();
        var measured = (int) Math.min(ended, WINDOW - 1);
        // Until one has ended, assumes that each takes as long as the first ones have taken so far.
        var nanosEach = measured == 0 ? (double) now / Math.max(1, requests) : (double) (now - first()) / measured;
        return (int) Math.clamp(Math.ceil(nanosEach * requests / NANOS_PER_SECOND), 1, most);
    }

    /// The start of the time in which the ends were counted.
    private long first() {
        return ended < WINDOW ? 0 : ends[(int) (ended % WINDOW)];
    }
}
