package dev.llmworker.generation;

import dev.llmworker.sampling.SamplingParameters;
import java.util.OptionalInt;

/// One request for text, every bound that does not depend on the model checked.
///
/// @param maxTokens the most tokens to generate, at least 1; the context must hold them. Empty:
///     [#DEFAULT_MAX_TOKENS], or what the context holds
/// @param ignoreEos goes on past the model's end-of-sequence tokens, up to `maxTokens`
public record GenerationRequest(Prompt prompt, OptionalInt maxTokens, SamplingParameters sampling, boolean ignoreEos) {
    public static final int DEFAULT_MAX_TOKENS = 100;
    public static final float DEFAULT_TEMPERATURE = 0.7f;

    public GenerationRequest {
        if (maxTokens.isPresent() && maxTokens.getAsInt() < 1) {
            throw new IllegalArgumentException("max_tokens is " + maxTokens.getAsInt() + "; it must be at least 1");
        }
    }

    /// The most tokens to generate, given or not.
    public int tokenLimit() {
        return maxTokens.orElse(DEFAULT_MAX_TOKENS);
    }
}
