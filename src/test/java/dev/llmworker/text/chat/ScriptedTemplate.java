package dev.llmworker.text.chat;

import java.util.List;

/// The template of a model that thinks and calls tools as Qwen 3 does, and whose prompts can be read back: each turn is
/// [#TURN], the role, [#TEXT], the content.
public final class ScriptedTemplate implements ChatTemplate {
    public static final char TURN = 2;
    public static final char TEXT = 3;

    @Override
    public String render(List<ChatMessage> messages, boolean addGenerationPrompt) {
        var text = new StringBuilder();
        for (var message : messages) {
            text.append(TURN).append(message.role()).append(TEXT).append(message.content());
        }
        return addGenerationPrompt ? text.append(TURN).append("assistant").append(TEXT).toString() : text.toString();
    }

    @Override
    public ChatForms forms() {
        return ChatForms.of(ToolFormat.GENERIC, "</think>");
    }
}
