package dev.llmworker.serving.anthropic;

import dev.llmworker.serving.request.ChatMessages;
import dev.llmworker.serving.request.ToolFields;
import dev.llmworker.serving.wire.Json;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.text.chat.ChatMessage;
import dev.llmworker.text.chat.ToolCall;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// Reads `system` and `messages` of Anthropic's API as turns for a chat template.
///
/// - Turns of the same role that follow each other become one.
/// - Results of tools come before the text of their message.
/// - What the assistant thought is its reasoning. Thinking that only its own server can read is left out.
final class Conversation {
    private static final String MESSAGES = "messages";
    private static final String CONTENT = "content";
    private static final String TYPE = "type";
    private static final String TEXT = "text";
    private static final String INPUT = "input";
    private static final String SYSTEM = "system";
    private static final String USER = "user";
    private static final String ASSISTANT = "assistant";

    /// Claude Code writes this text before its instructions. It changes with each request, and would keep the worker
    /// from reusing the cached prefix after it.
    private static final String BILLING = "x-anthropic-billing-header:";

    private static final String ERROR = "Error: ";

    private final List<ChatMessage> turns = new ArrayList<>();
    /// The newest turn, unless it is the result of a tool. The next message may go on with it.
    private @Nullable Turn open;
    /// The names of the tools that were called before, by the ids of the calls.
    private final Map<String, String> called = new HashMap<>();

    private Conversation() {}

    /// A turn while it grows. Its texts are joined once: a conversation may have a thousand messages of one turn.
    private static final class Turn {
        private final String role;
        private final List<String> texts = new ArrayList<>(1);
        private final List<String> thoughts = new ArrayList<>(0);
        private final Map<String, ToolCall> calls = new LinkedHashMap<>();

        Turn(String role) {
            this.role = role;
        }

        ChatMessage message() {
            return new ChatMessage(role, joined(texts), List.copyOf(calls.values()), joined(thoughts), "", "");
        }

        private static String joined(List<String> texts) {
            return texts.stream().filter(text -> !text.isEmpty()).collect(Collectors.joining("\n"));
        }
    }

    /// @throws RequestException naming the message, its block and its limit
    static List<ChatMessage> read(RequestFields fields) {
        var entries = ChatMessages.entries(fields);
        var reader = new Conversation();
        var system = ChatMessages.texts(fields, SYSTEM).stream()
                .filter(text -> !text.startsWith(BILLING))
                .collect(Collectors.joining("\n"));
        if (!system.isEmpty()) {
            reader.turn(SYSTEM).texts.add(system);
        }
        for (var index = 0; index < entries.size(); index++) {
            reader.message(MESSAGES + "[" + index + "]", entries.get(index));
        }
        reader.end();
        if (reader.turns.getLast().role().equals(ASSISTANT)) {
            throw RequestException.invalid(
                    MESSAGES,
                    "messages ends with a turn of the assistant; to continue it is not supported: the last turn must"
                            + " be the user's");
        }
        return reader.turns;
    }

    private void message(String at, @Nullable Object entry) {
        if (!(entry instanceof Map<?, ?> map)) {
            throw RequestFields.wrong(at, entry, "an object with role and content");
        }
        var fields = new RequestFields(map);
        var role = ChatMessages.within(at, () -> fields.text("role"));
        if (!fields.has(CONTENT)) {
            throw RequestException.invalid(
                    at + "." + CONTENT, at + "." + CONTENT + " is missing; it must be a string or a list of blocks");
        }
        switch (role) {
            case USER -> user(at, fields);
            case ASSISTANT -> assistant(at, fields);
            case SYSTEM ->
                turn(SYSTEM)
                        .texts
                        .add(String.join("\n", ChatMessages.within(at, () -> ChatMessages.texts(fields, CONTENT))));
            default ->
                throw RequestException.invalid(
                        at + ".role",
                        at + ".role is \"" + RequestFields.shortened(role) + "\"; it must be user or assistant");
        }
    }

    /// A block of a message.
    private record Block(String at, String type, RequestFields fields) {
        String text(String name) {
            var text = ChatMessages.within(at, () -> fields.textOrNull(name));
            if (text == null) {
                throw RequestException.invalid(at + "." + name, at + "." + name + " is missing; it must be a string");
            }
            return text;
        }

        RequestException unsupported(String supported) {
            return RequestException.invalid(
                    at + "." + TYPE,
                    at + "." + TYPE + " is \"" + RequestFields.shortened(type)
                            + "\", which is not supported; it must be " + supported);
        }
    }

    private static List<Block> blocks(String at, RequestFields message) {
        var place = at + "." + CONTENT;
        return switch (message.fields().get(CONTENT)) {
            case String text -> List.of(new Block(at, TEXT, new RequestFields(Map.of(TEXT, text))));
            case List<?> list -> {
                var blocks = new ArrayList<Block>(list.size());
                for (var entry : list) {
                    var here = place + "[" + blocks.size() + "]";
                    if (!(entry instanceof Map<?, ?> map)) {
                        throw RequestFields.wrong(here, entry, "an object with a type");
                    }
                    var fields = new RequestFields(map);
                    blocks.add(new Block(here, ChatMessages.within(here, () -> fields.text(TYPE)), fields));
                }
                yield blocks;
            }
            case null, default ->
                throw RequestFields.wrong(place, message.fields().get(CONTENT), "a string or a list of blocks");
        };
    }

    private void user(String at, RequestFields message) {
        var texts = new ArrayList<String>();
        var results = 0;
        for (var block : blocks(at, message)) {
            switch (block.type) {
                case TEXT -> texts.add(block.text(TEXT));
                case "tool_result" -> {
                    end();
                    turns.add(result(block));
                    results++;
                }
                default -> throw block.unsupported("text or tool_result");
            }
        }
        if (!texts.isEmpty() || results == 0) {
            turn(USER).texts.add(String.join("\n", texts));
        }
    }

    private ChatMessage result(Block block) {
        var id = ChatMessages.id(block.at, block.fields, "tool_use_id");
        var name = called.get(id);
        if (name == null) {
            throw RequestException.invalid(
                    block.at + ".tool_use_id",
                    block.at + ".tool_use_id is \"" + RequestFields.shortened(id)
                            + "\"; it must be the id of one of the tool_use blocks before it");
        }
        var text = String.join("\n", ChatMessages.within(block.at, () -> ChatMessages.texts(block.fields, CONTENT)));
        var isError = ChatMessages.within(block.at, () -> block.fields.flag("is_error", false));
        return ChatMessage.toolResult(id, name, isError && !text.startsWith(ERROR) ? ERROR + text : text);
    }

    private void assistant(String at, RequestFields message) {
        var texts = new ArrayList<String>();
        var thoughts = new ArrayList<String>();
        var turn = turn(ASSISTANT);
        for (var block : blocks(at, message)) {
            switch (block.type) {
                case TEXT -> texts.add(block.text(TEXT));
                case "thinking" -> thoughts.add(block.text("thinking"));
                case "redacted_thinking" -> {}
                case "tool_use" -> ChatMessages.addCall(block.at, call(block), turn.calls);
                default -> throw block.unsupported("text, thinking, redacted_thinking or tool_use");
            }
        }
        ChatMessages.checkCalls(at + "." + CONTENT, turn.calls.size(), "tool_use blocks in its turn");
        turn.texts.add(String.join("\n", texts));
        turn.thoughts.add(String.join("\n", thoughts));
    }

    private ToolCall call(Block block) {
        var id = ChatMessages.id(block.at, block.fields, "id");
        var name = ToolFields.name(block.at, block.fields);
        called.put(id, name);
        return switch (block.fields.fields().get(INPUT)) {
            case null -> new ToolCall(id, name, "{}");
            case Map<?, ?> input -> new ToolCall(id, name, Json.text(input));
            case Object other -> throw RequestFields.wrong(block.at + "." + INPUT, other, "an object");
        };
    }

    /// The turn that a message of this role belongs to.
    private Turn turn(String role) {
        var last = open;
        if (last == null || !last.role.equals(role)) {
            end();
            last = new Turn(role);
            open = last;
        }
        return last;
    }

    private void end() {
        if (open != null) {
            turns.add(open.message());
            open = null;
        }
    }
}
