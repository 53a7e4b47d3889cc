package dev.llmworker.generation;

import java.util.concurrent.LinkedBlockingQueue;

/// Events that wait for their reader, and the memory that they and their source take.
///
/// Threading: any thread.
public final class HeldEvents<E extends HeldEvent> {
    private final LinkedBlockingQueue<E> events = new LinkedBlockingQueue<>();
    private HeldMemory memory = HeldMemory.UNCOUNTED;
    private long bytes;
    private long besides;

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

    /// What the source holds besides, such as half of an event.
    public synchronized void holdBesides(long held) {
        if (held != besides) {
            count(held - besides);
            besides = held;
        }
    }

    private synchronized void count(long change) {
        bytes += change;
        memory.add(change);
    }
}
