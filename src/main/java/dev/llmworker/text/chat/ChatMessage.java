package dev.llmworker.text.chat;

/// One turn of a conversation.
///
/// @param role who speaks, as chat templates know it: `system`, `user`, `assistant`
/// @param content what is said; plain text, in which control tokens of the model have no meaning
public record ChatMessage(String role, String content) {
    public static ChatMessage user(String content) {
        return new ChatMessage("user", content);
    }
}
