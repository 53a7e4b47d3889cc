package dev.llmworker.serving.llm;

import dev.llmworker.serving.wire.JsonError;
import java.time.Duration;
import java.util.function.Supplier;
import org.apache.camel.Exchange;

/// Tries again while the model loads or the queue is full.
///
/// @param longest until the time for retries is over
record Patience(Duration longest) {
    private static final Duration FIRST_PAUSE = Duration.ofMillis(20);
    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(1);

    /// @param attempt may be made several times
    <T> T run(Exchange exchange, Supplier<T> attempt) throws InterruptedException {
        var end = System.nanoTime() + longest.toNanos();
        var pause = FIRST_PAUSE;
        while (true) {
            try {
                return attempt.get();
            } catch (RuntimeException e) {
                var error = JsonError.of(e);
                var passes = error != null && error.retryAfterSeconds() > 0;
                if (!passes
                        || System.nanoTime() - end >= 0
                        || exchange.getContext().isStopping()) {
                    throw e;
                }
            }
            Thread.sleep(pause);
            pause = pause.multipliedBy(2).compareTo(LONGEST_PAUSE) < 0 ? pause.multipliedBy(2) : LONGEST_PAUSE;
        }
    }
}
