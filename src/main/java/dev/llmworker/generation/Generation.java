package dev.llmworker.generation;

import java.util.Iterator;
import org.jspecify.annotations.Nullable;

/// One running answer. Its events are read once, in order, by one thread; the last is a [GenerationEvent.Finished].
///
/// Threading: `close` may be called from any thread, any number of times; the reader then sees the rest of the events
/// that are there and a [GenerationEvent.Finished].
public interface Generation extends Iterable<GenerationEvent>, AutoCloseable {
    /// Waits until it is certain that the request is served, which a generator that asks another server learns late.
    ///
    /// @throws RefusedException when it is not; the generation is over then
    default void awaitAccepted() {}

    /// Waits for each event. An interrupt of the reading thread closes the generation.
    @Override
    Iterator<GenerationEvent> iterator();

    /// What it took, for who has read its end; null where the generator does not measure.
    default @Nullable Measures measures() {
        return null;
    }

    /// Ends the sequence before the engine's next step, if it still runs.
    @Override
    void close();
}
