package dev.llmworker.engine;

import dev.llmworker.sampling.SamplingParameters;

/// What a request is once it is checked against the model.
///
/// @param tokenLimit the most tokens to generate; with the prompt they fit into the context
public record Admission(
        long id, int[] prompt, int tokenLimit, boolean ignoreEos, SamplingParameters sampling, long timeoutNanos) {}
