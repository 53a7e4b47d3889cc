package dev.llmworker.engine.vectors;

import dev.llmworker.generation.FinishReason;
import java.time.Duration;
import java.util.function.BooleanSupplier;

/// What the engine thread does, step by step.
///
/// Threading: the engine thread.
public interface Work {
    /// Runs one step.
    ///
    /// @return whether there is more to do
    boolean step();

    /// Waits until there is something to do.
    ///
    /// @return false if nothing more will come
    boolean awaitWork() throws InterruptedException;

    /// Waits for at most this long.
    ///
    /// @return whether nothing has come, and more may come
    boolean staysEmpty(Duration duration) throws InterruptedException;

    /// Ends all requests, and takes no more.
    void endAll(FinishReason reason);

    /// As [#endAll(FinishReason)], and writes what a later process can use.
    ///
    /// @param isTimeUp ends the writing; asked again and again
    default void endAll(FinishReason reason, BooleanSupplier isTimeUp) {
        endAll(reason);
    }
}
