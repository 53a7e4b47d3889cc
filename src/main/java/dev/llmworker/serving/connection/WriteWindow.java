package dev.llmworker.serving.connection;

import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/// Back-pressure for one client: how many messages, and how much text, the event loop has that the kernel does not have
/// yet.
///
/// Threading: any thread writes, and waits while the window is full; the event loop reports what is written.
final class WriteWindow {
    /// What a message counts beside its characters.
    private static final int MESSAGE_WEIGHT = 1 << 10;
    // A writer that has to wait sleeps until the low mark, so that it does not sleep and wake for each message.
    private static final long HIGH_WATER = 256L << 10;
    private static final long LOW_WATER = 64L << 10;

    private final Runnable whenSlow;
    private final AtomicLong unwritten = new AtomicLong();
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition drained = lock.newCondition();
    private volatile boolean closed;

    /// @param whenSlow runs for each message that a slow client reads: one that has others waiting behind it
    WriteWindow(Runnable whenSlow) {
        this.whenSlow = whenSlow;
    }

    /// A message is handed to the event loop, which calls [#written] once the kernel has it.
    ///
    /// @param characters how long it is
    void add(int characters) {
        unwritten.addAndGet(MESSAGE_WEIGHT + characters);
    }

    /// A message is written, or will never be.
    ///
    /// @param characters how long it is
    void written(int characters) {
        var weight = MESSAGE_WEIGHT + characters;
        var left = unwritten.addAndGet(-weight);
        if (left >= LOW_WATER) {
            whenSlow.run();
        }
        if (left <= LOW_WATER && left + weight > LOW_WATER) {
            wakeWriters();
        }
    }

    /// Waits if the window is full.
    void await() {
        if (unwritten.get() >= HIGH_WATER) {
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
        return unwritten.get() <= LOW_WATER;
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
