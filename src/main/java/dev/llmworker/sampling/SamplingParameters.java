package dev.llmworker.sampling;

import java.util.OptionalInt;

/// How the next token is chosen from the logits of one sequence.
///
/// @param temperature 0 to 2; 0 is greedy: the likeliest token, regardless of the other parameters
/// @param topK keeps the k likeliest tokens; 0 and -1 keep all
/// @param topP keeps the likeliest tokens whose probabilities together reach p, 0 to 1; 1 keeps all, 0 is greedy
/// @param minP keeps tokens at least this share as likely as the likeliest, 0 to 1; 0 keeps all
/// @param seed the same seed, request and worker give the same text
/// @param isSeeded whether the client chose the seed
/// @param adjustment changes to the logits before sampling
/// @param logprobs asks for each token's log-probability and for this many of the likeliest tokens: 0 to 20
public record SamplingParameters(
        float temperature,
        int topK,
        float topP,
        float minP,
        long seed,
        boolean isSeeded,
        LogitAdjustment adjustment,
        OptionalInt logprobs) {
    public static final float MAX_TEMPERATURE = 2f;
    public static final int MAX_LOGPROBS = 20;

    /// Each vocabulary's likeliest token has a larger share than this. A smaller `topP` keeps that token alone.
    private static final float LEAST_SHARE = 1e-7f;
    private static final int ALL_TOKENS = -1;

    public SamplingParameters {
        ParameterException.check("temperature", temperature, 0, MAX_TEMPERATURE);
        ParameterException.check("top_p", topP, 0, 1);
        ParameterException.check("min_p", minP, 0, 1);
        topK = topK == ALL_TOKENS ? 0 : topK;
        if (topK < 0) {
            throw new ParameterException("top_k", topK, "0 or -1 (all tokens), or more");
        }
        if (logprobs.isPresent() && (logprobs.getAsInt() < 0 || logprobs.getAsInt() > MAX_LOGPROBS)) {
            throw new ParameterException("logprobs", logprobs.getAsInt(), "from 0 to " + MAX_LOGPROBS);
        }
        if (topP < LEAST_SHARE) {
            temperature = 0;
            topP = 1;
        }
    }

    /// With a seed that the client chose.
    public SamplingParameters(
            float temperature,
            int topK,
            float topP,
            float minP,
            long seed,
            LogitAdjustment adjustment,
            OptionalInt logprobs) {
        this(temperature, topK, topP, minP, seed, true, adjustment, logprobs);
    }

    /// Without changes to the logits and without log-probabilities.
    public SamplingParameters(float temperature, int topK, float topP, float minP, long seed) {
        this(temperature, topK, topP, minP, seed, LogitAdjustment.NONE, OptionalInt.empty());
    }

    /// Always takes the likeliest token.
    public static SamplingParameters greedy() {
        return new SamplingParameters(0, 0, 1, 0, 0);
    }

    public SamplingParameters withSeed(long other) {
        return new SamplingParameters(temperature, topK, topP, minP, other, isSeeded, adjustment, logprobs);
    }

    public boolean isGreedy() {
        return temperature == 0;
    }
}
