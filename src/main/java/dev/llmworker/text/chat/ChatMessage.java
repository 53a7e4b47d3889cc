package dev.llmworker.text.chat;

/// One turn of a conversation.
///
/// @param role who speaks, in the terms of chat templates: `system`, `user`, `assistant`
/// @param content the plain text; control tokens of the model have no meaning in it
public record ChatMessage(String role, String content) {
    public static ChatMessage user(String content) {
        return new ChatMessage("user", content);
    }
}
