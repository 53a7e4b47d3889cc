package dev.llmworker.text.chat;

import dev.llmworker.text.answer.ChatForms;
import dev.llmworker.text.tools.Tool;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The two templates that some models have, as transformers chooses between them: `tool_use` for conversations
/// with tools, and the other one for those without.
record TemplatePair(ChatTemplate plain, ChatTemplate forTools) implements ChatTemplate {
    @Override
    public String render(
            List<ChatMessage> messages, List<Tool> tools, Map<String, ? extends @Nullable Object> variables) {
        return (tools.isEmpty() ? plain : forTools).render(messages, tools, variables);
    }

    @Override
    public boolean knowsTools() {
        return forTools.knowsTools();
    }

    /// Both templates are of one model, and one of them may say nothing about how it thinks.
    @Override
    public ChatForms forms() {
        return forTools.forms().or(plain.forms());
    }
}
