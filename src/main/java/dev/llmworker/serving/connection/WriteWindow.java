package dev.llmworker.serving.connection;

import io.vertx.core.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;

/// Back-pressure for one client: how many messages, and how much text, the event loop has that the kernel does not have
/// yet.
///
/// Threading: any thread writes, and waits while the window is full; the event loop reports what is written.
final class WriteWindow {
    // A writer that has to wait sleeps until the low mark, so that it does not sleep and wake for each message.
    private static final int HIGH_WATER_MESSAGES = 256;
    private static final int LOW_WATER_MESSAGES = 64;
    private static final long HIGH_WATER_CHARACTERS = 256 << 10;
    private static final long LOW_WATER_CHARACTERS = 64 << 10;

    private final Runnable whenSlow;
    private final AtomicInteger unwritten = new AtomicInteger();
    private final AtomicLong unwrittenCharacters = new AtomicLong();
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition drained = lock.newCondition();
    private volatile boolean closed;

    /// @param whenSlow runs for each message that a slow client reads: one that has others waiting behind it
    WriteWindow(Runnable whenSlow) {
        this.whenSlow = whenSlow;
    }

    /// Hands one message to the event loop, then waits if the window is full.
    ///
    /// @param characters how long it is
    void write(int characters, Supplier<Future<Void>> message) {
        unwritten.incrementAndGet();
        unwrittenCharacters.addAndGet(characters);
        message.get().onComplete(_ -> messageWritten(characters));
        if (unwritten.get() >= HIGH_WATER_MESSAGES || unwrittenCharacters.get() >= HIGH_WATER_CHARACTERS) {
            awaitDrained();
        }
    }

    private void awaitDrained() {
        lock.lock();
        try {
            while (!isLow() && !closed) {
                drained.awaitUninterruptibly();
            }
        } finally {
            lock.unlock();
        }
    }

    private boolean isLow() {
        return unwritten.get() <= LOW_WATER_MESSAGES && unwrittenCharacters.get() <= LOW_WATER_CHARACTERS;
    }

    private void messageWritten(int characters) {
        var left = unwritten.decrementAndGet();
        var leftCharacters = unwrittenCharacters.addAndGet(-characters);
        if (left >= LOW_WATER_MESSAGES) {
            whenSlow.run();
        }
        var becameLow = left == LOW_WATER_MESSAGES
                || leftCharacters <= LOW_WATER_CHARACTERS && leftCharacters + characters > LOW_WATER_CHARACTERS;
        if (becameLow && isLow()) {
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
