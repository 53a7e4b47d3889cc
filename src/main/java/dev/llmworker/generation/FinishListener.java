package dev.llmworker.generation;

/// Hears that a sequence has ended. Threading: the thread that ended it.
@FunctionalInterface
interface FinishListener {
    void finished(Sequence sequence, FinishReason reason);
}
