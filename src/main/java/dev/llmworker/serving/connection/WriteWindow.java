package dev.llmworker.serving.connection;

import io.vertx.core.AsyncResult;
import io.vertx.core.Future;
import io.vertx.core.Handler;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;

/// Back-pressure for one client: how many messages the event loop has that the kernel does not have yet.
///
/// Threading: any thread writes, and waits while the window is full; the event loop reports what is written.
final class WriteWindow {
    // A writer that has to wait sleeps until the low mark, so that it does not sleep and wake for each message.
    private static final int HIGH_WATER_MESSAGES = 256;
    private static final int LOW_WATER_MESSAGES = 64;

    private final Runnable whenSlow;
    private final AtomicInteger unwritten = new AtomicInteger();
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition drained = lock.newCondition();
    private final Handler<AsyncResult<Void>> written = _ -> messageWritten();
    private volatile boolean closed;

    /// @param whenSlow runs for each message that a slow client reads: one that has others waiting behind it
    WriteWindow(Runnable whenSlow) {
        this.whenSlow = whenSlow;
    }

    /// Hands one message to the event loop, then waits if the window is full.
    void write(Supplier<Future<Void>> message) {
        unwritten.incrementAndGet();
        message.get().onComplete(written);
        if (unwritten.get() >= HIGH_WATER_MESSAGES) {
            awaitDrained();
        }
    }

    private void awaitDrained() {
        lock.lock();
        try {
            while (unwritten.get() > LOW_WATER_MESSAGES && !closed) {
                drained.awaitUninterruptibly();
            }
        } finally {
            lock.unlock();
        }
    }

    private void messageWritten() {
        var left = unwritten.decrementAndGet();
        if (left >= LOW_WATER_MESSAGES) {
            whenSlow.run();
        }
        if (left == LOW_WATER_MESSAGES) {
            wakeWriters();
        }
    }

    private void wakeWriters() {
        lock.lock();
        try {
            drained.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /// The client has disconnected: nobody waits any more.
    void close() {
        closed = true;
        wakeWriters();
    }
}
