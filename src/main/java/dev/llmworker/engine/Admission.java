package dev.llmworker.engine;

import dev.llmworker.sampling.SamplingParameters;

/// A request that was checked against the model.
///
/// @param tokenLimit the most tokens to generate; the prompt and these fit into the context
public record Admission(
        long id, int[] prompt, int tokenLimit, boolean ignoreEos, SamplingParameters sampling, long timeoutNanos) {}
