package dev.llmworker.generation;

import dev.llmworker.generation.memory.HeldEvent;
import dev.llmworker.generation.memory.HeldMemory;
import java.util.Iterator;
import org.jspecify.annotations.Nullable;

/// One running answer. Its events are read once, in order, by one thread; the last is a
/// [GenerationEvent.Finished].
///
/// Threading: `close` may be called from any thread, any number of times. The reader then sees the events that
/// are already there, and a [GenerationEvent.Finished].
public interface Answer<E extends HeldEvent> extends Iterable<E>, AutoCloseable {
    /// Waits until it is certain that the request is served. A generator that forwards to another server learns
    /// this late.
    ///
    /// @throws RefusedException if it is not; the answer is then over
    default void awaitAccepted() {}

    /// From now on it counts what it holds: the tokens of its prompt, and events that nobody has read.
    ///
    /// @throws RefusedException if there is no room for its prompt
    default void countIn(HeldMemory memory) {}

    /// How many tokens the prompt has, available once it is certain that the request is served; 0 if that is not known.
    default int promptTokens() {
        return 0;
    }

    /// Waits for each event. An interrupt of the reading thread closes the answer.
    @Override
    Iterator<E> iterator();

    /// Its timings, available after the last event; null if the generator does not measure.
    default @Nullable Timings timings() {
        return null;
    }

    /// How many tokens of the prompt another server had cached, available after the last event. [#timings()] has it if
    /// the generator measures.
    default int cachedTokens() {
        return 0;
    }

    /// Ends the sequence before the engine's next step, if it still runs.
    @Override
    void close();
}
