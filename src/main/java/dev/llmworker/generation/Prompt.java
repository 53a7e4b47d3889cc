package dev.llmworker.generation;

import dev.llmworker.text.chat.ChatMessage;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// What the model is asked to continue.
public sealed interface Prompt {
    /// A conversation, which the model's chat template renders. A model without a template gets only the
    /// contents.
    ///
    /// @param variables more variables of the template, such as `enable_thinking`: null, Boolean,
    ///     Integer, Long, Double, String, and Lists and Maps of these
    record Chat(List<ChatMessage> messages, Map<String, @Nullable Object> variables) implements Prompt {
        public Chat {
            messages = List.copyOf(messages);
            variables = Collections.unmodifiableMap(new LinkedHashMap<>(variables));
        }

        public Chat(List<ChatMessage> messages) {
            this(messages, Map.of());
        }
    }

    /// Text that is used unchanged, including control tokens.
    record Raw(String text) implements Prompt {}
}
