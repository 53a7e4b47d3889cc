package dev.llmworker.serving.connection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.serving.access.PathRules;
import dev.llmworker.stats.WorkerStats;
import dev.llmworker.testing.ManualClock;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/// How much of the time to drain is left for what comes after the requests, such as writing cached prefixes.
class DrainTest {
    private static final Duration ALL = Timeouts.DEFAULT.drain();

    private final WorkerStats stats = new WorkerStats();
    private final AtomicLong nanos = new AtomicLong(-5);
    private long secondsPerLook;
    private final Drain drain = drain();

    private Drain drain() {
        var clock = new ManualClock();
        var sockets = new WebSockets(clock, Timeouts.DEFAULT, 10);
        var senders = new SlowSenders(clock, Timeouts.DEFAULT);
        return new Drain(
                Timeouts.DEFAULT,
                sockets,
                senders,
                new PathRules(),
                () -> nanos.getAndAdd(secondsPerLook * 1_000_000_000));
    }

    @Test
    void timeRunsFromTheBeginningOfTheDrain() {
        nanos.addAndGet(Duration.ofHours(1).toNanos());
        assertEquals(ALL, drain.timeLeft(), "it has not begun");
        drain.run(stats, () -> {});
        assertEquals(ALL, drain.timeLeft());
        nanos.addAndGet(Duration.ofSeconds(12).toNanos());
        assertEquals(ALL.minusSeconds(12), drain.timeLeft());
        // To begin again changes nothing.
        drain.run(stats, () -> {});
        assertEquals(ALL.minusSeconds(12), drain.timeLeft());
        nanos.addAndGet(ALL.toNanos());
        assertEquals(Duration.ZERO, drain.timeLeft());
    }

    @Test
    void whoeverIsInAHurryHasNoTimeLeft() {
        drain.run(stats, () -> {});
        drain.hurry();
        assertEquals(Duration.ZERO, drain.timeLeft());
    }

    /// A request that never ends takes all of it.
    @Test
    void requestsThatTakeAllTheTimeLeaveNone() {
        stats.recordSubmitted();
        secondsPerLook = 5;
        drain.run(stats, stats::recordWithdrawn);
        assertTrue(drain.isTimeUp());
        assertEquals(Duration.ZERO, drain.timeLeft());
    }
}
