package dev.llmworker.text.chat;

import dev.llmworker.text.answer.ChatForms;
import dev.llmworker.text.tools.Tool;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Renders a conversation in the model's format, including the names of control tokens.
///
/// Threading: any thread.
public interface ChatTemplate {
    /// The prompt for the assistant's next turn.
    ///
    /// @param tools that it may call
    /// @param variables more variables: null, Boolean, Integer, Long, Double, String, and Lists and Maps of these.
    ///     They cannot replace what the template gets anyway
    /// @throws IllegalArgumentException if the template rejects the conversation; the message is for the client
    /// @throws TemplateLimitException if the result would be too long, or take too long
    String render(List<ChatMessage> messages, List<Tool> tools, Map<String, ? extends @Nullable Object> variables);

    /// Whether it describes tools to the model.
    default boolean knowsTools() {
        return false;
    }

    /// How the model writes its answers.
    default ChatForms forms() {
        return ChatForms.GENERIC;
    }
}
