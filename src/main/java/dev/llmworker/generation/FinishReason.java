package dev.llmworker.generation;

import org.jspecify.annotations.Nullable;

/// Why a generation ended.
public enum FinishReason {
    /// The model ended its answer with an end-of-sequence token.
    STOP,
    /// The model ended its answer with calls of tools, if the request asks for [AnswerParts].
    TOOL_CALLS,
    /// Another server withheld the rest of the answer.
    CONTENT_FILTER,
    /// `max_tokens` were generated, or the context is full.
    LENGTH,
    /// The client disconnected or cancelled.
    CANCELLED,
    /// The request's deadline passed.
    TIMEOUT,
    /// The engine failed; the message is in the log.
    ERROR;

    /// Whether the `finish_reason` of a server of OpenAI's API says that a choice has ended. Until then it is null;
    /// some servers write an empty text or `"null"`.
    public static boolean isGiven(@Nullable String text) {
        return text != null && !text.isBlank() && !text.strip().equalsIgnoreCase("null");
    }
}
