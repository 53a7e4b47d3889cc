package dev.llmworker.engine;

import dev.llmworker.generation.FinishReason;

/// Is called when a sequence has ended.
///
/// Threading: the thread that ended the sequence.
@FunctionalInterface
public interface FinishListener {
    void finished(Sequence sequence, FinishReason reason);
}
