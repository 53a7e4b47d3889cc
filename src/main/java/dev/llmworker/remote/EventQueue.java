package dev.llmworker.remote;

import dev.llmworker.generation.GenerationEvent;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

/// The events of a generation on their way to its reader, who waits for each. While too many wait, their source pauses.
///
/// Threading: one thread adds, one reads.
final class EventQueue implements Iterator<GenerationEvent> {
    // Between the two marks the source does not stop and go for each event.
    private static final int HIGH_WATER_EVENTS = 256;
    private static final int LOW_WATER_EVENTS = 64;

    private final LinkedBlockingQueue<GenerationEvent> events = new LinkedBlockingQueue<>();
    private final AtomicInteger waiting = new AtomicInteger();
    private final AtomicBoolean paused = new AtomicBoolean();
    private final Runnable pause;
    private final Runnable resume;
    private final Runnable interrupted;
    private boolean ended;

    /// @param pause stops the source, on the thread that adds
    /// @param resume lets it go on, on either thread
    /// @param interrupted the reader was interrupted: the last event is to come soon
    EventQueue(Runnable pause, Runnable resume, Runnable interrupted) {
        this.pause = pause;
        this.resume = resume;
        this.interrupted = interrupted;
    }

    void add(GenerationEvent event) {
        events.add(event);
        if (waiting.incrementAndGet() >= HIGH_WATER_EVENTS && paused.compareAndSet(false, true)) {
            pause.run();
            // The reader may have taken them all meanwhile.
            resumeWhereFew();
        }
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
    public GenerationEvent next() {
        if (ended) {
            throw new NoSuchElementException("the generation has finished");
        }
        var event = take();
        ended = event instanceof GenerationEvent.Finished;
        waiting.decrementAndGet();
        resumeWhereFew();
        return event;
    }

    private GenerationEvent take() {
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
