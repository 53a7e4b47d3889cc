package dev.llmworker.serving.connection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.serving.memory.MemoryBudget;
import dev.llmworker.testing.ManualClock;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.embedded.EmbeddedChannel;
import java.time.Duration;
import org.junit.jupiter.api.Test;

/// When a connection that does not take its bytes is closed. [SlowReadersTest] has the same with real clients.
class BacklogTest {
    private static final Duration UNUSED = Duration.ofDays(1);
    private static final Duration LIMIT = Duration.ofSeconds(10);
    private static final Timeouts TIMEOUTS = new Timeouts(UNUSED, UNUSED, LIMIT, UNUSED, UNUSED, UNUSED, UNUSED);

    private final ManualClock clock = new ManualClock();
    private final MemoryBudget budget = MemoryBudget.unlimited();
    private final SlowReaders readers = new SlowReaders(clock, TIMEOUTS, budget);
    private final EmbeddedChannel channel = new EmbeddedChannel(new ChannelInboundHandlerAdapter());

    /// Leaves bytes that the kernel has not taken: they are written and not flushed.
    private void backlog() {
        channel.write(Unpooled.wrappedBuffer(new byte[100]));
    }

    private boolean isOpenAfter(Duration duration) {
        clock.advance(duration);
        channel.runPendingTasks();
        return channel.isOpen();
    }

    @Test
    void nothingTakenForTheLimitClosesIt() {
        readers.connected(channel);
        backlog();
        assertTrue(isOpenAfter(LIMIT.plusSeconds(1)), "the time runs from the first look");
        assertFalse(isOpenAfter(Duration.ofSeconds(1)));
    }

    @Test
    void whoIsGivenMoreAndTakesNothingIsClosed() {
        readers.connected(channel);
        backlog();
        assertTrue(isOpenAfter(LIMIT));
        backlog();
        assertFalse(isOpenAfter(Duration.ofSeconds(2)));
    }

    @Test
    void whoTookAllStaysAndHasTheWholeLimitForTheNext() {
        readers.connected(channel);
        backlog();
        assertTrue(isOpenAfter(LIMIT));
        channel.flush();
        assertTrue(isOpenAfter(Duration.ofHours(1)));
        backlog();
        assertTrue(isOpenAfter(LIMIT));
    }

    @Test
    void whatNobodyHasTakenCountsAgainstTheBudget() {
        readers.connected(channel);
        backlog();
        backlog();
        assertTrue(isOpenAfter(Duration.ofSeconds(1)));
        assertTrue(budget.usedBytes() >= 200, "it counts " + budget.usedBytes());
        channel.flush();
        assertTrue(isOpenAfter(Duration.ofSeconds(1)));
        assertEquals(0, budget.usedBytes());
        backlog();
        assertTrue(isOpenAfter(Duration.ofSeconds(1)));
        channel.close();
        channel.runPendingTasks();
        assertEquals(0, budget.usedBytes());
    }
}
