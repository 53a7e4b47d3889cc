package dev.llmworker.generation;

import dev.llmworker.sampling.ParameterException;
import dev.llmworker.sampling.SamplingParameters;
import java.util.List;
import java.util.OptionalInt;

/// One request for text, every bound that does not depend on the model checked.
///
/// @param maxTokens the most tokens to generate, at least 1; the context must hold them. Empty: what `fillsContext`
///     says
/// @param ignoreEos goes on past the model's end-of-sequence tokens, up to `maxTokens`
/// @param minTokens neither an end-of-sequence token nor a stop sequence ends the answer before it has so many
/// @param stop the answer ends before the first of these; at most [#MAX_STOPS]
/// @param fillsContext without `maxTokens`, an answer may be as long as the context allows, and not only
///     [#DEFAULT_MAX_TOKENS] of that
/// @param requestId what the client's request is called in logs, here and in other servers; empty where no client sent
/// it
public record GenerationRequest(
        Prompt prompt,
        OptionalInt maxTokens,
        SamplingParameters sampling,
        boolean ignoreEos,
        int minTokens,
        List<String> stop,
        boolean fillsContext,
        String requestId) {
    public static final int DEFAULT_MAX_TOKENS = 100;
    public static final float DEFAULT_TEMPERATURE = 0.7f;
    public static final int MAX_STOPS = 8;
    public static final int MAX_STOP_CHARACTERS = 256;

    public GenerationRequest {
        stop = List.copyOf(stop);
        if (maxTokens.isPresent() && maxTokens.getAsInt() < 1) {
            throw new ParameterException(
                    "max_tokens", "max_tokens is " + maxTokens.getAsInt() + "; it must be at least 1");
        }
        if (minTokens < 0 || (maxTokens.isPresent() && minTokens > maxTokens.getAsInt())) {
            throw new ParameterException(
                    "min_tokens", "min_tokens is " + minTokens + "; it must be from 0 to max_tokens");
        }
        if (stop.size() > MAX_STOPS) {
            throw new ParameterException(
                    "stop", "stop has " + stop.size() + " sequences; it may have " + MAX_STOPS + " at most");
        }
        for (var sequence : stop) {
            if (sequence.isEmpty() || sequence.length() > MAX_STOP_CHARACTERS) {
                throw new ParameterException(
                        "stop",
                        "stop has a sequence of " + sequence.length() + " characters; it must be 1 to "
                                + MAX_STOP_CHARACTERS);
            }
        }
    }

    public GenerationRequest(
            Prompt prompt,
            OptionalInt maxTokens,
            SamplingParameters sampling,
            boolean ignoreEos,
            int minTokens,
            List<String> stop,
            boolean fillsContext) {
        this(prompt, maxTokens, sampling, ignoreEos, minTokens, stop, fillsContext, "");
    }

    /// One that ends where the model ends it, or at its length.
    public GenerationRequest(Prompt prompt, OptionalInt maxTokens, SamplingParameters sampling, boolean ignoreEos) {
        this(prompt, maxTokens, sampling, ignoreEos, 0, List.of(), false);
    }

    public GenerationRequest withRequestId(String id) {
        return new GenerationRequest(prompt, maxTokens, sampling, ignoreEos, minTokens, stop, fillsContext, id);
    }

    /// The most tokens to generate, given or not; the context may hold fewer.
    public int tokenLimit() {
        return maxTokens.orElse(fillsContext ? Integer.MAX_VALUE : DEFAULT_MAX_TOKENS);
    }
}
