package dev.llmworker.remote;

import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.RelayEvent;
import dev.llmworker.generation.memory.HeldEvent;
import dev.llmworker.generation.memory.HeldEvents;
import dev.llmworker.generation.memory.HeldMemory;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;

/// Holds a generation's events for its reader, who waits for each. The source pauses if too many events wait.
///
/// Threading: one thread adds, one reads.
final class EventQueue<E extends HeldEvent> implements Iterator<E> {
    // Two marks, so that the source does not stop and resume for each event.
    private static final int HIGH_WATER_EVENTS = 256;
    private static final int LOW_WATER_EVENTS = 64;
    /// A chunk counts as one more event for each of these.
    private static final int CHARACTERS_PER_EVENT = 4096;

    private final HeldEvents<E> events = new HeldEvents<>();
    private final AtomicInteger waiting = new AtomicInteger();
    private final AtomicBoolean paused = new AtomicBoolean();
    private final Function<GenerationEvent.Finished, E> lastEvent;
    private final Runnable pause;
    private final Runnable resume;
    private final Runnable interrupted;
    private boolean ended;

    /// @param lastEvent converts the end of the answer to one of its events
    /// @param pause stops the source, on the thread that adds
    /// @param resume lets the source continue, on either thread
    /// @param interrupted called if the reader was interrupted; the last event must then come soon
    EventQueue(Function<GenerationEvent.Finished, E> lastEvent, Runnable pause, Runnable resume, Runnable interrupted) {
        this.lastEvent = lastEvent;
        this.pause = pause;
        this.resume = resume;
        this.interrupted = interrupted;
    }

    void add(E event) {
        events.add(event);
        if (waiting.addAndGet(weight(event)) >= HIGH_WATER_EVENTS && paused.compareAndSet(false, true)) {
            pause.run();
            // The reader may have taken all events in the meantime.
            resumeWhereFew();
        }
    }

    private static int weight(Object event) {
        return event instanceof RelayEvent.Chunk chunk ? 1 + chunk.json().length() / CHARACTERS_PER_EVENT : 1;
    }

    /// From now on, what waits counts there.
    void countIn(HeldMemory memory) {
        events.countIn(memory);
    }

    /// From now on, the source holds this many bytes besides the events.
    void holdBesides(long bytes) {
        events.holdBesides(bytes);
    }

    /// Adds the last event.
    void end(GenerationEvent.Finished finished) {
        holdBesides(0);
        add(lastEvent.apply(finished));
    }

    private void resumeWhereFew() {
        if (waiting.get() <= LOW_WATER_EVENTS && paused.get() && paused.compareAndSet(true, false)) {
            resume.run();
        }
    }

    @Override
    public boolean hasNext() {
        return !ended;
    }

    @Override
    public E next() {
        if (ended) {
            throw new NoSuchElementException("the generation has finished");
        }
        var event = take();
        ended = event.isLast();
        waiting.addAndGet(-weight(event));
        resumeWhereFew();
        return event;
    }

    private E take() {
        var wasInterrupted = false;
        try {
            while (true) {
                try {
                    return events.take();
                } catch (InterruptedException _) {
                    wasInterrupted = true;
                    interrupted.run();
                }
            }
        } finally {
            if (wasInterrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
