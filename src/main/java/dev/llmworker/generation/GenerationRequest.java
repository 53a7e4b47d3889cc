package dev.llmworker.generation;

import dev.llmworker.sampling.SamplingParameters;

/// One request for text, every bound that does not depend on the model checked.
///
/// @param maxTokens the most tokens to generate, at least 1
/// @param ignoreEos goes on past the model's end-of-sequence tokens, up to `maxTokens`
public record GenerationRequest(Prompt prompt, int maxTokens, SamplingParameters sampling, boolean ignoreEos) {
    public static final int DEFAULT_MAX_TOKENS = 100;
    public static final float DEFAULT_TEMPERATURE = 0.7f;

    public GenerationRequest {
        if (maxTokens < 1) {
            throw new IllegalArgumentException("max_tokens is " + maxTokens + "; it must be at least 1");
        }
    }
}
