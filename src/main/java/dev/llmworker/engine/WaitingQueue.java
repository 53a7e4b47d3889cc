package dev.llmworker.engine;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Accepted sequences that the engine has not taken yet: first come, first served. For each free slot one of them does
/// not wait, because the next step takes it. Of the others there are at most `limit`, which may be 0.
///
/// Threading: any thread; only the engine thread takes and waits.
final class WaitingQueue {
    private final ArrayDeque<Sequence> sequences = new ArrayDeque<>();
    private final int limit;
    private int freeSlots;
    private boolean shut;

    WaitingQueue(int limit) {
        this.limit = limit;
    }

    /// @return false if the queue is full or shut
    synchronized boolean offer(Sequence sequence) {
        return sequences.size() < limit + freeSlots && offerBeyondLimit(sequence);
    }

    /// Takes a sequence of a request that was accepted before.
    ///
    /// @return false if the queue is shut
    synchronized boolean offerBeyondLimit(Sequence sequence) {
        if (shut) {
            return false;
        }
        sequences.add(sequence);
        notifyAll();
        return true;
    }

    /// The engine takes the next sequence, which needs a slot.
    synchronized @Nullable Sequence poll() {
        var next = sequences.poll();
        if (next != null && freeSlots > 0) {
            freeSlots--;
        }
        return next;
    }

    /// So many sequences can be taken at once.
    synchronized void freeSlots(int slots) {
        freeSlots = slots;
    }

    /// @return whether the sequence was still waiting; if so, the caller must finish it
    synchronized boolean remove(Sequence sequence) {
        return sequences.remove(sequence);
    }

    /// Takes out the sequences whose deadline has passed.
    synchronized List<Sequence> removeExpired(long nowNanos) {
        var expired = new ArrayList<Sequence>(0);
        sequences.removeIf(sequence -> sequence.isExpired(nowNanos) && expired.add(sequence));
        return expired;
    }

    /// Waits until a sequence waits or the queue is shut.
    ///
    /// @return false if it is shut
    synchronized boolean awaitWork() throws InterruptedException {
        while (sequences.isEmpty() && !shut) {
            wait();
        }
        return !shut;
    }

    /// Waits for at most this long.
    ///
    /// @return whether no sequence has come and the queue is not shut
    synchronized boolean staysEmpty(Duration duration) throws InterruptedException {
        long end = System.nanoTime() + duration.toNanos();
        while (sequences.isEmpty() && !shut) {
            long millis = Math.ceilDiv(end - System.nanoTime(), 1_000_000L);
            if (millis <= 0) {
                return true;
            }
            wait(millis);
        }
        return false;
    }

    /// Stops accepting sequences and returns those that wait.
    synchronized List<Sequence> shut() {
        shut = true;
        notifyAll();
        var rest = List.copyOf(sequences);
        sequences.clear();
        return rest;
    }

    synchronized boolean isShut() {
        return shut;
    }

    synchronized int size() {
        return sequences.size();
    }

    int limit() {
        return limit;
    }
}
