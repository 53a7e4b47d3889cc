package dev.llmworker.generation.memory;

import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.function.Supplier;

/// Reads the events of an answer until the last one, and waits for each. An interrupt closes the answer.
///
/// Threading: one thread.
public final class EventReader<E extends HeldEvent> implements Iterator<E> {
    private final HeldEvents<? extends E> events;
    private final Runnable close;
    private final Supplier<E> cancelled;
    private boolean ended;

    /// @param close closes the answer
    /// @param cancelled makes the last event of an answer that an interrupt has closed
    public EventReader(HeldEvents<? extends E> events, Runnable close, Supplier<E> cancelled) {
        this.events = events;
        this.close = close;
        this.cancelled = cancelled;
    }

    @Override
    public boolean hasNext() {
        return !ended;
    }

    @Override
    public E next() {
        if (ended) {
            throw new NoSuchElementException("the answer has finished");
        }
        var event = take();
        ended = event.isLast();
        return event;
    }

    private E take() {
        try {
            return events.take();
        } catch (InterruptedException _) {
            close.run();
            Thread.currentThread().interrupt();
            return cancelled.get();
        }
    }
}
