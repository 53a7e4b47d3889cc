package dev.llmworker.scaling.client;

/// Seconds since a run began, on a clock that never goes back.
public final class RunClock {
    private final long start = System.nanoTime();

    public double seconds() {
        return (System.nanoTime() - start) / 1e9;
    }

    public double millisSince(double seconds) {
        return (seconds() - seconds) * 1000;
    }
}
