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

    /// How many choices the answer has: `n` for each prompt.
    public int choices() {
        var each = body.get("n") instanceof Number number ? Math.max(1, number.intValue()) : 1;
        // A list of numbers is one prompt, given as token ids.
        var prompts =
                body.get("prompt") instanceof List<?> list && !list.isEmpty() && !(list.getFirst() instanceof Number)
                        ? list.size()
                        : 1;
        return each * prompts;
    }
}
