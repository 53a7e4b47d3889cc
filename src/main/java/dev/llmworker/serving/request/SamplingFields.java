package dev.llmworker.serving.request;

import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.sampling.LogitAdjustment;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.concurrent.ThreadLocalRandom;

/// Reads the fields by which every route lets a client say how tokens are chosen: `temperature`, `top_k`, `top_p`,
/// `min_p`, `seed`, `repetition_penalty`, `presence_penalty`, `frequency_penalty`, `logit_bias`; and what ends an
/// answer: `max_tokens`, `stop`, `stop_token_ids`.
public final class SamplingFields {
    private static final int MAX_TOKEN_DIGITS = 9;

    private SamplingFields() {}

    /// @param temperature used if the request has none
    /// @param logprobs as [SamplingParameters] has it
    public static SamplingParameters sampling(RequestFields fields, float temperature, OptionalInt logprobs) {
        return new SamplingParameters(
                fields.decimal("temperature", temperature),
                fields.whole("top_k").orElse(0),
                fields.decimal("top_p", 1),
                fields.decimal("min_p", 0),
                fields.wholeLong("seed")
                        .orElseGet(() -> ThreadLocalRandom.current().nextLong()),
                fields.has("seed"),
                new LogitAdjustment(
                        fields.decimal("repetition_penalty", 1),
                        fields.decimal("presence_penalty", 0),
                        fields.decimal("frequency_penalty", 0),
                        bias(fields.object("logit_bias"))),
                logprobs);
    }

    /// The limit of the answer, by its newer name or its older.
    public static OptionalInt maxTokens(RequestFields fields) {
        var limit = fields.whole("max_completion_tokens");
        return limit.isPresent() ? limit : fields.whole("max_tokens");
    }

    /// The sequences that end the answer. Empty texts do not count.
    public static List<String> stops(RequestFields fields) {
        return fields.texts("stop").stream().filter(text -> !text.isEmpty()).toList();
    }

    public static List<Integer> stopTokens(RequestFields fields) {
        return fields.wholes("stop_token_ids", GenerationRequest.MAX_STOP_TOKENS);
    }

    /// `{"50256": -100}`: token ids are strings, as JSON's keys are.
    private static Map<Integer, Float> bias(Map<?, ?> object) {
        if (object.size() > LogitAdjustment.MAX_BIASED_TOKENS) {
            throw RequestException.invalid(
                    "logit_bias",
                    "logit_bias has " + object.size() + " tokens; the limit is " + LogitAdjustment.MAX_BIASED_TOKENS);
        }
        var bias = new HashMap<Integer, Float>();
        object.forEach((key, value) -> {
            var name = String.valueOf(key);
            if (!isTokenId(name)) {
                throw RequestException.invalid(
                        "logit_bias",
                        "logit_bias has \"" + RequestFields.shortened(name) + "\"; its keys must be token ids");
            }
            if (!(value instanceof Number number)) {
                throw RequestFields.wrong("logit_bias." + name, value, "a number");
            }
            bias.put(Integer.valueOf(name), number.floatValue());
        });
        return bias;
    }

    private static boolean isTokenId(String name) {
        return !name.isEmpty()
                && name.length() <= MAX_TOKEN_DIGITS
                && name.chars().allMatch(digit -> digit >= '0' && digit <= '9');
    }
}
