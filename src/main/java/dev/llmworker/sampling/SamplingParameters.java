package dev.llmworker.sampling;

/// How the next token is chosen from the logits of one sequence.
///
/// @param temperature 0 to 2; 0 is greedy: the likeliest token, whatever the other parameters say
/// @param topK keeps the k likeliest tokens; 0 keeps all
/// @param topP keeps the likeliest tokens whose probabilities reach p together, above 0 to 1; 1 keeps all
/// @param minP keeps tokens at least this share as likely as the likeliest, 0 to 1; 0 keeps all
/// @param seed the same seed, request and worker give the same text
public record SamplingParameters(float temperature, int topK, float topP, float minP, long seed) {
    public static final float MAX_TEMPERATURE = 2f;

    public SamplingParameters {
        within("temperature", temperature, 0, MAX_TEMPERATURE);
        within("top_p", topP, Float.MIN_VALUE, 1);
        within("min_p", minP, 0, 1);
        if (topK < 0) {
            throw new IllegalArgumentException("top_k is " + topK + "; it must be 0 (all tokens) or more");
        }
    }

    /// The likeliest token each time.
    public static SamplingParameters greedy() {
        return new SamplingParameters(0, 0, 1, 0, 0);
    }

    public boolean isGreedy() {
        return temperature == 0;
    }

    private static void within(String name, float value, float low, float high) {
        // Written so that NaN fails too.
        if (!(value >= low && value <= high)) {
            var range = low == Float.MIN_VALUE ? "above 0 and at most " + high : "from " + low + " to " + high;
            throw new IllegalArgumentException(name + " is " + value + "; it must be " + range);
        }
    }
}
