package dev.llmworker.serving.connection;

import io.vertx.core.Vertx;
import java.util.concurrent.TimeUnit;
import java.util.function.LongConsumer;

/// Measures how long clients take, and runs the checks for those that exceed a timeout.
///
/// Threading: any thread.
public interface ConnectionClock {
    /// Milliseconds since some fixed moment; never goes back.
    long nowMillis();

    /// Runs a check periodically.
    ///
    /// @param check is given the time
    void every(long millis, LongConsumer check);

    /// The machine's monotonic clock, with checks on an event loop.
    static ConnectionClock of(Vertx vertx) {
        return new ConnectionClock() {
            @Override
            public long nowMillis() {
                return TimeUnit.NANOSECONDS.toMillis(System.nanoTime());
            }

            @Override
            public void every(long millis, LongConsumer check) {
                vertx.setPeriodic(millis, _ -> check.accept(nowMillis()));
            }
        };
    }
}
