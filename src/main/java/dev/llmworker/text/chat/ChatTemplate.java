package dev.llmworker.text.chat;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Renders a conversation in the model's format, including the names of control tokens.
///
/// Threading: any thread.
public interface ChatTemplate {
    /// @param addGenerationPrompt adds the start of the assistant's turn, for the model to continue
    /// @throws IllegalArgumentException if the template rejects the conversation; the message is for the client
    /// @throws TemplateLimitException if the result would be too long, or take too long
    String render(List<ChatMessage> messages, boolean addGenerationPrompt);

    /// As [#render(List, boolean)], with more variables. A template that has none ignores them.
    ///
    /// @param variables null, Boolean, Integer, Long, Double, String, and Lists and Maps of these; they
    ///     cannot replace what the template gets anyway
    default String render(
            List<ChatMessage> messages,
            boolean addGenerationPrompt,
            Map<String, ? extends @Nullable Object> variables) {
        return render(messages, addGenerationPrompt);
    }

    /// The prompt for the assistant's next turn, which may call tools. A template that knows none ignores them.
    default String render(
            List<ChatMessage> messages, List<Tool> tools, Map<String, ? extends @Nullable Object> variables) {
        return render(messages, true, variables);
    }

    /// Whether it describes tools to the model.
    default boolean knowsTools() {
        return false;
    }

    /// How the model writes its answers.
    default ChatForms forms() {
        return ChatForms.GENERIC;
    }
}
