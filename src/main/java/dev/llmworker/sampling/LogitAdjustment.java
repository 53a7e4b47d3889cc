package dev.llmworker.sampling;

import java.util.Map;

/// Changes to a sequence's logits before a token is sampled, applied in this order.
///
/// @param repetitionPenalty divides the positive logits of tokens in the prompt or the answer, and multiplies the
///     negative ones; above 0, 1 for none
/// @param presencePenalty subtracted from the logits of tokens in the answer; -2 to 2
/// @param frequencyPenalty subtracted once for each time that the token is in the answer; -2 to 2
/// @param bias added to the logits, by token id; from -100, which forbids a token, to 100
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
                    "logit_bias", "logit_bias has " + bias.size() + " tokens; the limit is " + MAX_BIASED_TOKENS);
        }
        bias.forEach((id, value) -> ParameterException.check("logit_bias." + id, value, -MAX_BIAS, MAX_BIAS));
    }

    public boolean isNone() {
        // Not `equals`: the JVM would make that method while the first request waits.
        return repetitionPenalty == 1 && presencePenalty == 0 && frequencyPenalty == 0 && bias.isEmpty();
    }
}
