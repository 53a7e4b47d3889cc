package dev.llmworker.serving.port;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.Worker;
import dev.llmworker.assembly.Engines;
import dev.llmworker.settings.Settings;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.WorkerProcess;
import io.netty.util.concurrent.DefaultEventExecutor;
import io.vertx.core.impl.VertxInternal;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A worker whose event loops have ended or hang must not stay.
class EventLoopWatchTest {
    private static final String LOSES_ACCEPTOR = "LOSES_ACCEPTOR";

    private final DefaultEventExecutor loop = new DefaultEventExecutor();
    private final List<String> ends = new ArrayList<>();
    private final EventLoopWatch watch = new EventLoopWatch(ends::add);

    @AfterEach
    void stop() {
        loop.shutdownGracefully(0, 0, TimeUnit.SECONDS);
    }

    private void turn() throws Exception {
        loop.submit(() -> {}).get(150, TimeUnit.SECONDS);
    }

    @Test
    void aLoopThatAnswersIsLeftAlone() throws Exception {
        watch.add(loop);
        for (var i = 0; i < 3 * EventLoopWatch.MOST_UNANSWERED; i++) {
            assertTrue(watch.check());
            turn();
        }
        assertEquals(List.of(), ends);
    }

    @Test
    void aLoopThatHasEndedIsNoticedAtOnce() throws Exception {
        watch.add(loop);
        loop.shutdownGracefully(0, 0, TimeUnit.SECONDS).get(150, TimeUnit.SECONDS);
        assertFalse(watch.check());
        assertEquals(List.of("an event loop has ended"), ends);
    }

    @Test
    void aPortThatClosesEndsItsLoopsAndNotTheProcess() throws Exception {
        watch.add(loop);
        loop.shutdownGracefully(0, 0, TimeUnit.SECONDS).get(150, TimeUnit.SECONDS);
        watch.close();
        // A check that had begun before.
        watch.add(loop);
        assertFalse(watch.check());
        assertEquals(List.of(), ends);
    }

    @Test
    void aLoopThatHangsIsNoticedAfterThirtySeconds() throws Exception {
        var hang = new CountDownLatch(1);
        loop.execute(() -> await(hang));
        watch.add(loop);
        for (var i = 0; i < EventLoopWatch.MOST_UNANSWERED; i++) {
            assertTrue(watch.check(), "check " + i);
        }
        assertFalse(watch.check());
        assertEquals(List.of("an event loop has not answered for 30 s"), ends);
        hang.countDown();
    }

    @Test
    void aLoopThatWasBusyForAWhileIsLeftAlone() throws Exception {
        watch.add(loop);
        for (var round = 0; round < 4; round++) {
            var busy = new CountDownLatch(1);
            loop.execute(() -> await(busy));
            for (var i = 0; i < EventLoopWatch.MOST_UNANSWERED - 1; i++) {
                assertTrue(watch.check());
            }
            busy.countDown();
            turn();
        }
        assertEquals(List.of(), ends);
    }

    /// A worker that loses its event loops once it was pinged, or the thread that accepts connections.
    public static final class LosesItsEventLoops {
        public static void main(String[] args) throws Exception {
            var losesAcceptor = System.getenv(LOSES_ACCEPTOR) != null;
            Worker.serve(Settings.read(System.getenv()), (settings, port, stats) -> {
                Thread.ofPlatform().start(() -> {
                    Await.until("it is pinged", port::wasPinged);
                    var lost = losesAcceptor
                            ? ((VertxInternal) port.vertx()).getAcceptorEventLoopGroup()
                            : port.vertx().nettyEventLoopGroup();
                    lost.shutdownGracefully(0, 0, TimeUnit.SECONDS);
                });
                return Engines.start(settings, port.vertx(), stats);
            });
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"NOTHING", LOSES_ACCEPTOR})
    void theProcessEndsWithAClearLine(String lost) throws Exception {
        try (var worker = WorkerProcess.start(LosesItsEventLoops.class, Map.of(lost, "yes"));
                var client = worker.raw()) {
            // The loops may end before they have answered.
            client.send("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n");
            assertEquals(1, worker.exit());
            assertTrue(
                    worker.lines.stream().anyMatch(line -> line.contains("because an event loop has ended")),
                    worker.lines::toString);
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
