package dev.llmworker.engine;

import dev.llmworker.engine.queue.FairQueue;
import dev.llmworker.generation.Share;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Accepted sequences that the engine has not taken yet. [FairQueue] has their order. For each free slot one of
/// them does not wait, because the next step takes it. Of the others there are at most `limit`, which may be 0.
/// If others fill the queue, an owner's sequences may wait beyond the limit, up to its share of it, which is at least
/// one. With n owners of equal weight there are at most 1 + 1/2 + … + 1/n times as many, and one more for each owner.
///
/// Threading: any thread; only the engine thread takes and waits.
final class WaitingQueue {
    private final FairQueue<Sequence> sequences = new FairQueue<>();
    private final int limit;
    private int freeSlots;
    private boolean shut;

    WaitingQueue(int limit) {
        this.limit = limit;
    }

    /// @return false if the queue is full or shut
    synchronized boolean offer(Sequence sequence) {
        var hasPlace = sequences.size() < limit + freeSlots || sequences.isBelowShare(sequence.share(), limit);
        return hasPlace && offerBeyondLimit(sequence);
    }

    /// Whether a sequence is refused because its owner has its share of the queue, which others need as well.
    synchronized boolean isShareUsedUp(Share share) {
        return limit > 0 && sequences.hasOthers(share);
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

    /// A sequence has ended. It may never have been taken.
    synchronized void ended(Sequence sequence) {
        sequences.ended(sequence);
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
        return sequences.removeAll(sequence -> sequence.isExpired(nowNanos));
    }

    /// Waits until a sequence waits or the queue is shut.
    ///
    /// @return false if it is shut
    synchronized boolean awaitWork() throws InterruptedException {
        while (sequences.size() == 0 && !shut) {
            wait();
        }
        return !shut;
    }

    /// Waits for at most this long.
    ///
    /// @return whether no sequence has come and the queue is not shut
    synchronized boolean staysEmpty(Duration duration) throws InterruptedException {
        long end = System.nanoTime() + duration.toNanos();
        while (sequences.size() == 0 && !shut) {
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
        return sequences.clear();
    }

    synchronized boolean isShut() {
        return shut;
    }

    synchronized int size() {
        return sequences.size();
    }

    /// How many owners it knows.
    synchronized int owners() {
        return sequences.owners();
    }

    int limit() {
        return limit;
    }
}
