package dev.llmworker.text.chat;

import java.util.List;

/// Renders a conversation in the model's format, including the names of control tokens.
///
/// Threading: any thread.
public interface ChatTemplate {
    /// @param addGenerationPrompt adds the start of the assistant's turn, for the model to continue
    /// @throws IllegalArgumentException if the template rejects the conversation; the message is for the client
    String render(List<ChatMessage> messages, boolean addGenerationPrompt);
}
