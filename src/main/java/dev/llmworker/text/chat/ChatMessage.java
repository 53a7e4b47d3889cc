package dev.llmworker.text.chat;

import dev.llmworker.text.tools.ToolCall;
import java.util.List;
import java.util.stream.Stream;

/// One turn of a conversation. Its texts are plain: control tokens of the model have no meaning in them.
///
/// @param role who speaks, in the terms of chat templates: `system`, `user`, `assistant`, `tool`
/// @param content empty if the turn has none, as that of an assistant that only calls tools
/// @param toolCalls calls that an assistant made in this turn
/// @param reasoning what an assistant thought in this turn; empty if that is not known
/// @param toolCallId of a tool's result: the id of the call; otherwise empty
/// @param name of a tool's result: the name of the tool; empty if the client did not send it
public record ChatMessage(
        String role, String content, List<ToolCall> toolCalls, String reasoning, String toolCallId, String name) {
    public ChatMessage {
        toolCalls = List.copyOf(toolCalls);
    }

    public ChatMessage(String role, String content) {
        this(role, content, List.of(), "", "", "");
    }

    public static ChatMessage user(String content) {
        return new ChatMessage("user", content);
    }

    /// What an assistant wrote, with the calls of tools that it made.
    public static ChatMessage assistant(String content, String reasoning, List<ToolCall> toolCalls) {
        return new ChatMessage("assistant", content, toolCalls, reasoning, "", "");
    }

    /// The result of a call.
    ///
    /// @param name of the tool; empty if the client did not send it
    public static ChatMessage toolResult(String toolCallId, String name, String content) {
        return new ChatMessage("tool", content, List.of(), "", toolCallId, name);
    }

    ChatMessage withContent(String text) {
        return new ChatMessage(role, text, toolCalls, reasoning, toolCallId, name);
    }

    /// All of its texts.
    public Stream<String> texts() {
        return Stream.concat(
                Stream.of(role, content, reasoning, toolCallId, name),
                toolCalls.stream().flatMap(call -> Stream.of(call.id(), call.name(), call.arguments())));
    }
}
