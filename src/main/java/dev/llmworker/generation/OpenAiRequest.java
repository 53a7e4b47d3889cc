package dev.llmworker.generation;

import java.util.List;
import java.util.Map;

/// A request of OpenAI's API as its client wrote it.
///
/// @param body the JSON object, whatever is in it
/// @param requestId what it is called in logs; empty for nothing
public record OpenAiRequest(Form form, Map<?, ?> body, String requestId) {
    /// The two forms of the API.
    public enum Form {
        CHAT,
        TEXT
    }

    /// The choices that the answer has: `n` for each prompt.
    public int choices() {
        var each = body.get("n") instanceof Number number ? Math.max(1, number.intValue()) : 1;
        // A list of numbers is one prompt, as token ids.
        var prompts =
                body.get("prompt") instanceof List<?> list && !list.isEmpty() && !(list.getFirst() instanceof Number)
                        ? list.size()
                        : 1;
        return each * prompts;
    }
}
