package dev.llmworker.generation;

import dev.llmworker.sampling.ParameterException;
import java.util.List;
import java.util.Map;

/// An OpenAI request as its client wrote it.
///
/// @param body the JSON object, unchecked
/// @param requestId the request's id in logs; may be empty
public record OpenAiRequest(Form form, Map<?, ?> body, String requestId) {
    /// The two endpoints of the API.
    public enum Form {
        CHAT,
        TEXT
    }

    /// The most choices for one prompt.
    public static final int MAX_N = 16;
    /// The most choices of one answer.
    public static final int MAX_CHOICES = 1024;

    /// How many choices the answer has: `n` for each prompt.
    ///
    /// @throws ParameterException if they are too many
    public int choices() {
        var each = bounded("n");
        bounded("best_of");
        // A list of numbers is one prompt, given as token ids.
        var prompts = form == Form.TEXT
                        && body.get("prompt") instanceof List<?> list
                        && !list.isEmpty()
                        && !(list.getFirst() instanceof Number)
                ? list.size()
                : 1;
        var choices = (long) each * prompts;
        if (choices > MAX_CHOICES) {
            throw new ParameterException(
                    "prompt",
                    "prompt has " + prompts + " prompts and n is " + each + ", which is " + choices
                            + " choices; the limit is " + MAX_CHOICES);
        }
        return (int) choices;
    }

    /// The number in a field that multiplies the work; 1 if it is missing.
    private int bounded(String name) {
        var value = body.get(name);
        if (value == null) {
            return 1;
        }
        if (value instanceof Number number
                && number.doubleValue() >= 1
                && number.doubleValue() <= MAX_N
                && number.doubleValue() == number.intValue()) {
            return number.intValue();
        }
        throw new ParameterException(
                name,
                name + " is " + (value instanceof Number ? value : "no number")
                        + "; it must be a whole number from 1 to " + MAX_N);
    }
}
