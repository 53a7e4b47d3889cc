package dev.llmworker.sampling;

import java.util.Map;

/// What is done to the logits of a sequence before a token is chosen from them, in this order.
///
/// @param repetitionPenalty divides positive logits of tokens that are in the prompt or the answer, and multiplies
///     negative ones; above 0, 1 is none
/// @param presencePenalty is taken off the logits of tokens that are in the answer; -2 to 2
/// @param frequencyPenalty is taken off once for each time that the token is in the answer; -2 to 2
/// @param bias is added, by token id; -100, to forbid a token, to 100
public record LogitAdjustment(
        float repetitionPenalty, float presencePenalty, float frequencyPenalty, Map<Integer, Float> bias) {
    public static final LogitAdjustment NONE = new LogitAdjustment(1, 0, 0, Map.of());
    public static final int MAX_BIASED_TOKENS = 1024;

    private static final float MAX_REPETITION_PENALTY = 10;
    private static final float MAX_PENALTY = 2;
    private static final float MAX_BIAS = 100;

    public LogitAdjustment {
        ParameterException.check("repetition_penalty", repetitionPenalty, Float.MIN_VALUE, MAX_REPETITION_PENALTY);
        ParameterException.check("presence_penalty", presencePenalty, -MAX_PENALTY, MAX_PENALTY);
        ParameterException.check("frequency_penalty", frequencyPenalty, -MAX_PENALTY, MAX_PENALTY);
        bias = Map.copyOf(bias);
        if (bias.size() > MAX_BIASED_TOKENS) {
            throw new ParameterException(
                    "logit_bias",
                    "logit_bias has " + bias.size() + " tokens; it may have " + MAX_BIASED_TOKENS + " at most");
        }
        bias.forEach((id, value) -> ParameterException.check("logit_bias." + id, value, -MAX_BIAS, MAX_BIAS));
    }

    public boolean isNone() {
        return equals(NONE);
    }
}
