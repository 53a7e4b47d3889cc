package dev.llmworker.logs;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.spi.LoggingEvent;
import ch.qos.logback.core.Appender;
import ch.qos.logback.core.UnsynchronizedAppenderBase;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.concurrent.TimeUnit;

/// Passes log lines to a thread of its own, which writes them. A log that nobody reads blocks only that thread.
/// When the queue is full, lines are dropped and counted, until half of the queue is free again. Then a line
/// says how many.
///
/// Logback's own queue drops lines silently, and loses those of shutdown hooks.
///
/// Threading: any thread appends.
public final class LogQueue extends UnsynchronizedAppenderBase<ILoggingEvent> {
    private static final int CAPACITY = 2048;
    /// How long the thread that writes lets lines gather before it waits to be woken. Under load a line comes every few
    /// microseconds, and to be woken for each would cost the request that logs it more than all else that it does.
    private static final long GATHER_MILLIS = 5;

    private final Appender<ILoggingEvent> writer;
    private final LoggerContext loggers;
    private final int capacity;
    private final ArrayDeque<ILoggingEvent> queue = new ArrayDeque<>();
    private final Object lock = new Object();
    private boolean writing;
    /// The thread that writes waits to be woken.
    private boolean idle;
    private boolean dropping;
    private boolean ending;
    private long unreported;
    private long dropped;
    /// How long the threads of a shutdown may still wait for their lines, all together.
    private long patienceNanos = TimeUnit.SECONDS.toNanos(1);

    LogQueue(Appender<ILoggingEvent> writer, LoggerContext loggers, int capacity) {
        this.writer = writer;
        this.loggers = loggers;
        this.capacity = capacity;
        setContext(loggers);
        setName("queue");
    }

    /// The queue of the process. Whatever is logged before the process ends is written, shutdown hooks included.
    public static LogQueue before(Appender<ILoggingEvent> writer, LoggerContext loggers) {
        var queue = new LogQueue(writer, loggers, CAPACITY);
        queue.start();
        ProcessEnd.flushBy(queue::flush);
        Runtime.getRuntime().addShutdownHook(new Thread(queue::end, "log-end"));
        DroppedLines.countedBy(queue::dropped);
        return queue;
    }

    @Override
    public void start() {
        super.start();
        Thread.ofPlatform().daemon().name("log").start(this::write);
    }

    @Override
    protected void append(ILoggingEvent event) {
        // The arguments may change before they are written.
        event.prepareForDeferredProcessing();
        synchronized (lock) {
            dropping = queue.size() >= capacity || dropping && queue.size() > capacity / 2;
            if (dropping) {
                dropped++;
                unreported++;
                return;
            }
            reportDropped();
            queue.add(event);
            if (idle) {
                lock.notifyAll();
            }
            if (ending) {
                await(patienceNanos);
            }
        }
    }

    private void reportDropped() {
        if (unreported > 0) {
            queue.add(line(unreported));
            unreported = 0;
        }
    }

    private ILoggingEvent line(long count) {
        var message = count + (count == 1 ? " log line was dropped" : " log lines were dropped")
                + ", because the log was not read fast enough";
        return new LoggingEvent(
                LogQueue.class.getName(), loggers.getLogger(LogQueue.class), Level.WARN, message, null, null);
    }

    private void write() {
        try {
            while (true) {
                writer.doAppend(next());
            }
        } catch (InterruptedException _) {
            // Nobody interrupts it.
            Thread.currentThread().interrupt();
        }
    }

    private ILoggingEvent next() throws InterruptedException {
        synchronized (lock) {
            writing = false;
            if (queue.isEmpty()) {
                reportDropped();
            }
            lock.notifyAll();
            if (queue.isEmpty()) {
                lock.wait(GATHER_MILLIS);
            }
            while (queue.isEmpty()) {
                idle = true;
                lock.wait();
            }
            idle = false;
            writing = true;
            return queue.remove();
        }
    }

    long dropped() {
        synchronized (lock) {
            return dropped;
        }
    }

    /// Waits until all lines are written, or until the time is up.
    void flush(Duration most) {
        synchronized (lock) {
            await(most.toNanos());
        }
    }

    /// From now on each line is written before its thread goes on. Shutdown hooks run in no order, and the process ends
    /// when they have.
    void end() {
        synchronized (lock) {
            ending = true;
            await(patienceNanos);
        }
    }

    private void await(long mostNanos) {
        var interrupted = false;
        var begun = System.nanoTime();
        lock.notifyAll();
        for (var left = mostNanos; left > 0 && (writing || !queue.isEmpty()); ) {
            try {
                TimeUnit.NANOSECONDS.timedWait(lock, Math.max(left, TimeUnit.MILLISECONDS.toNanos(1)));
            } catch (InterruptedException _) {
                interrupted = true;
                break;
            }
            left = mostNanos - (System.nanoTime() - begun);
        }
        if (ending) {
            patienceNanos -= System.nanoTime() - begun;
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
