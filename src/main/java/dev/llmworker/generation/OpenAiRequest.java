package dev.llmworker.generation;

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

    private static final int MAX_CHOICES = 1 << 16;

    /// How many choices the answer has: `n` for each prompt. No server gives more than [#MAX_CHOICES].
    public int choices() {
        var each = body.get("n") instanceof Number number ? Math.clamp(number.longValue(), 1, MAX_CHOICES) : 1L;
        // A list of numbers is one prompt, given as token ids.
        var prompts =
                body.get("prompt") instanceof List<?> list && !list.isEmpty() && !(list.getFirst() instanceof Number)
                        ? list.size()
                        : 1;
        return (int) Math.min(each * prompts, MAX_CHOICES);
    }
}
