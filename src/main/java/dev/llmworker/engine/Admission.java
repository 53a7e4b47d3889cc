package dev.llmworker.engine;

import dev.llmworker.sampling.SamplingParameters;

/// A request that was checked against the model.
///
/// @param tokenLimit the most tokens to generate; the prompt and these fit into the context
/// @param cacheSalt cached prefixes are reused only of requests with the same salt
public record Admission(
        long id,
        int[] prompt,
        int tokenLimit,
        boolean ignoreEos,
        SamplingParameters sampling,
        long timeoutNanos,
        String cacheSalt) {
    Admission(
            long id, int[] prompt, int tokenLimit, boolean ignoreEos, SamplingParameters sampling, long timeoutNanos) {
        this(id, prompt, tokenLimit, ignoreEos, sampling, timeoutNanos, "");
    }
}
