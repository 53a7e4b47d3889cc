package dev.llmworker.engine;

import dev.llmworker.generation.FinishReason;

/// Hears that a sequence has ended. Threading: the thread that ended it.
@FunctionalInterface
public interface FinishListener {
    void finished(Sequence sequence, FinishReason reason);
}
