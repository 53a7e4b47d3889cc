package dev.llmworker.engine.queue;

import dev.llmworker.generation.Share;

/// What an owner of requests has the engine do. Two jobs are never equal.
public interface Job {
    /// Whose it is.
    Share share();

    /// How many tokens the engine works on for it, as far as is known by now. This never becomes less.
    long work();
}
