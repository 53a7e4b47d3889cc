package dev.llmworker.generation;

import java.util.concurrent.LinkedBlockingQueue;

/// Events that wait for their reader, and the memory that they take.
///
/// Threading: any thread.
public final class HeldEvents<E extends HeldEvent> {
    private final LinkedBlockingQueue<E> events = new LinkedBlockingQueue<>();
    private HeldMemory memory = HeldMemory.UNCOUNTED;
    private long bytes;

    public void add(E event) {
        count(event.heldBytes());
        events.add(event);
    }

    /// Waits for the next one.
    public E take() throws InterruptedException {
        var event = events.take();
        count(-event.heldBytes());
        return event;
    }

    public boolean isEmpty() {
        return events.isEmpty();
    }

    /// From now on, what waits counts there.
    public synchronized void countIn(HeldMemory counted) {
        memory = counted;
        memory.add(bytes);
    }

    private synchronized void count(long change) {
        bytes += change;
        memory.add(change);
    }
}
