package dev.llmworker.stats;

import java.util.function.LongSupplier;

/// Measures the stages of a sequential process, in milliseconds: `libtorch 410, program 62, weights 318`.
///
/// Threading: one thread.
public final class Stages {
    private static final long NANOS_PER_MILLI = 1_000_000;

    private final LongSupplier clock;
    private final StringBuilder text = new StringBuilder();
    private long began;

    /// The first stage begins now.
    ///
    /// @param clock in nanoseconds
    public Stages(LongSupplier clock) {
        this.clock = clock;
        began = clock.getAsLong();
    }

    public Stages() {
        this(System::nanoTime);
    }

    /// The stage has ended, and the next one begins.
    public void ended(String stage) {
        var now = clock.getAsLong();
        text.append(text.isEmpty() ? "" : ", ").append(stage).append(' ').append((now - began) / NANOS_PER_MILLI);
        began = now;
    }

    @Override
    public String toString() {
        return text.toString();
    }
}
