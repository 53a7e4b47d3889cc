package dev.llmworker.text.chat;

/// Is thrown if a chat template would write too long a text for a conversation, or would take too long. The message is
/// for the client.
public final class TemplateLimitException extends IllegalArgumentException {
    private final boolean isTooLong;

    TemplateLimitException(boolean isTooLong, String message, Throwable cause) {
        super(message, cause);
        this.isTooLong = isTooLong;
    }

    /// Whether a shorter conversation would do.
    public boolean isTooLong() {
        return isTooLong;
    }
}
