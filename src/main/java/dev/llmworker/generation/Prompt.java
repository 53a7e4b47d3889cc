package dev.llmworker.generation;

import dev.llmworker.text.chat.ChatMessage;
import java.util.List;

/// What the model is asked to continue.
public sealed interface Prompt {
    /// A conversation, which the model's chat template renders. A model without a template gets only the
    /// contents.
    record Chat(List<ChatMessage> messages) implements Prompt {
        public Chat {
            messages = List.copyOf(messages);
        }
    }

    /// Text that is used unchanged, including control tokens.
    record Raw(String text) implements Prompt {}
}
