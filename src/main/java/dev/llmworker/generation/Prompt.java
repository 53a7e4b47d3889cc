package dev.llmworker.generation;

import dev.llmworker.text.chat.ChatMessage;
import java.util.List;

/// What the model is asked to continue.
public sealed interface Prompt {
    /// A conversation, which goes through the model's chat template. A model without one gets the contents alone.
    record Chat(List<ChatMessage> messages) implements Prompt {
        public Chat {
            messages = List.copyOf(messages);
        }
    }

    /// Text that is sent as it is, control tokens included.
    record Raw(String text) implements Prompt {}
}
