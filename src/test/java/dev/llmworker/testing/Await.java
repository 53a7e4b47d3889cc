package dev.llmworker.testing;

import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/// Waits for what happens on another thread and tells nobody. It needs no JUnit: workers for clients run without.
public final class Await {
    private static final Duration LIMIT = Duration.ofSeconds(150);
    private static final Duration PAUSE = Duration.ofMillis(2);

    private Await() {}

    public static void until(String what, BooleanSupplier condition) {
        var end = System.nanoTime() + LIMIT.toNanos();
        var met = condition.getAsBoolean();
        while (!met && System.nanoTime() < end) {
            LockSupport.parkNanos(PAUSE.toNanos());
            met = condition.getAsBoolean();
        }
        if (!met) {
            throw new AssertionError("not within " + LIMIT.toSeconds() + " s: " + what);
        }
    }
}
