package dev.llmworker.hub.progress;

import dev.llmworker.hub.progress.ThrottledProgress.Standing;
import java.time.Duration;
import java.util.function.Consumer;

/// Logs progress every five seconds, and once at the end.
public record LogLines(Consumer<String> log) implements ThrottledProgress.Display {
    private static final long INTERVAL_NANOS = Duration.ofSeconds(5).toNanos();

    @Override
    public long intervalNanos() {
        return INTERVAL_NANOS;
    }

    @Override
    public void begun(Standing standing) {
        // A stage that is shorter than the interval gets only the line at the end.
    }

    @Override
    public void during(Standing standing) {
        log.accept(standing.name() + ": " + standing.amounts());
    }

    @Override
    public void ended(Standing standing) {
        log.accept(standing.name() + ": " + standing.amounts() + " in " + standing.elapsedSeconds() + " s");
    }
}
