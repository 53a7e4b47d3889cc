package dev.llmworker.logs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.util.LogbackMDCAdapter;
import ch.qos.logback.core.AppenderBase;
import dev.llmworker.testing.Await;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Semaphore;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(180)
class LogQueueTest {
    private static final int CAPACITY = 10;

    private final LoggerContext loggers = new LoggerContext();
    private final Semaphore room = new Semaphore(0);
    private final List<String> written = new CopyOnWriteArrayList<>();
    private final LogQueue queue;
    private final ch.qos.logback.classic.Logger log = loggers.getLogger("x");

    LogQueueTest() {
        loggers.setMDCAdapter(new LogbackMDCAdapter());
        var writer = new AppenderBase<ILoggingEvent>() {
            @Override
            protected void append(ILoggingEvent event) {
                room.acquireUninterruptibly();
                // The encoder of JSON reads these of each line.
                assertEquals(Map.of(), event.getMDCPropertyMap());
                written.add(event.getFormattedMessage());
            }
        };
        writer.start();
        queue = new LogQueue(writer, loggers, CAPACITY);
        queue.start();
        log.setLevel(Level.INFO);
        log.addAppender(queue);
    }

    @AfterEach
    void release() {
        room.release(Integer.MAX_VALUE / 2);
    }

    @Test
    void aWriterThatStandsStillBlocksNobodyAndWhatIsDroppedIsSaidInItsPlace() {
        log.info("first");
        Await.until("the writer has taken it", () -> room.hasQueuedThreads());
        var expected = new ArrayList<>(List.of("first"));
        for (var i = 0; i < CAPACITY; i++) {
            log.info("line {}", i);
            expected.add("line " + i);
        }
        for (var i = 0; i < 1000; i++) {
            log.info("lost {}", i);
        }
        assertEquals(1000, queue.dropped());
        room.release(CAPACITY + 1);
        Await.until("it is written", () -> written.size() == expected.size());
        log.info("next");
        room.release(2);
        expected.add("1000 log lines were dropped, because the log was not read fast enough");
        expected.add("next");
        Await.until("all is written", () -> written.size() == expected.size());
        assertEquals(expected, written);
    }

    @Test
    void whatIsDroppedIsSaidWithoutAnotherLine() {
        log.info("first");
        Await.until("the writer has taken it", () -> room.hasQueuedThreads());
        for (var i = 0; i <= CAPACITY; i++) {
            log.info("line {}", i);
        }
        room.release(CAPACITY + 2);
        Await.until("it is said", () -> written.size() == CAPACITY + 2);
        assertEquals("1 log line was dropped, because the log was not read fast enough", written.getLast());
    }

    @Test
    void aFlushWaitsForTheLinesAndNoLongerThanItMay() {
        log.info("first");
        queue.flush(Duration.ofMillis(1));
        assertEquals(List.of(), written);
        room.release(1);
        queue.flush(Duration.ofSeconds(20));
        assertEquals(List.of("first"), written);
    }

    @Test
    void atTheEndEachLineIsWrittenBeforeItsThreadGoesOn() {
        room.release(100);
        queue.end();
        for (var i = 1; i <= 20; i++) {
            log.info("line {}", i);
            assertEquals(i, written.size());
        }
    }

    @Test
    void atTheEndALogThatNobodyReadsDelaysAllLinesTogetherByASecond() {
        queue.end();
        var begun = System.nanoTime();
        for (var i = 0; i < 50; i++) {
            log.info("line {}", i);
        }
        var took = Duration.ofNanos(System.nanoTime() - begun);
        assertTrue(took.compareTo(Duration.ofSeconds(5)) < 0, took::toString);
    }

    @Test
    void aThreadThatDiesForWantOfMemoryEndsTheProcessAndNoOtherFailureDoes() {
        var ends = new ArrayList<String>();
        var thread = Thread.currentThread();
        ProcessEnd.uncaught(thread, new IllegalStateException("x"), ends::add);
        ProcessEnd.uncaught(thread, new StackOverflowError(), ends::add);
        assertEquals(List.of(), ends);
        ProcessEnd.uncaught(thread, new OutOfMemoryError("Cannot reserve direct buffer memory"), ends::add);
        assertEquals(List.of("memory is out: Cannot reserve direct buffer memory"), ends);
        assertFalse(ends.isEmpty());
    }
}
