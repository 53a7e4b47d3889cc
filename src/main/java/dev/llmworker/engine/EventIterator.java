package dev.llmworker.engine;

import dev.llmworker.generation.GenerationEvent;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.concurrent.BlockingQueue;
import java.util.function.Supplier;

/// Iterates over a generation's events and waits for each.
///
/// Threading: the reader's thread alone.
final class EventIterator implements Iterator<GenerationEvent> {
    private final BlockingQueue<GenerationEvent> events;
    private final Supplier<GenerationEvent.Finished> interruption;
    private boolean ended;

    /// @param interruption closes the generation if its reader is interrupted
    EventIterator(BlockingQueue<GenerationEvent> events, Supplier<GenerationEvent.Finished> interruption) {
        this.events = events;
        this.interruption = interruption;
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
        return event;
    }

    private GenerationEvent take() {
        try {
            return events.take();
        } catch (InterruptedException _) {
            var end = interruption.get();
            Thread.currentThread().interrupt();
            return end;
        }
    }
}
