package dev.llmworker.testing;

import java.util.concurrent.atomic.AtomicInteger;

/// Steps of a program, one of which fails. A test lets first one fail, then the next, until none is left.
///
/// Threading: any thread.
public final class Steps {
    private static final int OFF = -1;

    private final AtomicInteger left = new AtomicInteger(OFF);

    /// The failure of a step.
    public static final class Failed extends Error {
        Failed() {
            super("this step fails");
        }
    }

    /// The step after so many others fails, once.
    public void failAfter(int others) {
        left.set(others);
    }

    /// No step fails any more.
    ///
    /// @return whether one has
    public boolean end() {
        return left.getAndSet(OFF) == OFF;
    }

    public boolean hasFailed() {
        return left.get() == OFF;
    }

    public void next() {
        if (left.get() != OFF && left.getAndUpdate(before -> before == OFF ? OFF : before - 1) == 0) {
            throw new Failed();
        }
    }
}
