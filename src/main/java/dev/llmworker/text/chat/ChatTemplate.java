package dev.llmworker.text.chat;

import java.util.List;

/// How a model wants a conversation written down, names of control tokens included.
///
/// Threading: any thread.
public interface ChatTemplate {
    /// @param addGenerationPrompt ends with the beginning of the assistant's turn, for the model to go on with
    /// @throws IllegalArgumentException if the template refuses the conversation; the message is for the client
    String render(List<ChatMessage> messages, boolean addGenerationPrompt);
}
