package dev.llmworker.serving.request;

import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.serving.wire.StrictJson;
import dev.llmworker.text.chat.ChatMessage;
import dev.llmworker.text.chat.ToolCall;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// Reads the messages of a conversation: each has a `role`, and a `content` that is a string or a list of
/// `{"type":"text","text":"…"}`, whose texts are lines then. A turn of the assistant may have no content:
/// servers answer so if nothing was generated, and clients send it back. It may have `tool_calls`, to which
/// messages of the role `tool` give the results by `tool_call_id`.
public final class ChatMessages {
    public static final int MAX_MESSAGES = 1024;

    private static final String FIELD = "messages";
    private static final String ASSISTANT = "assistant";
    private static final String TOOL = "tool";
    private static final Set<String> ROLES = Set.of("system", "user", ASSISTANT, TOOL);
    /// The newer name of `system`; templates know the older.
    private static final String DEVELOPER = "developer";
    /// What a message may say in place of its content.
    private static final List<String> UNSUPPORTED = List.of("refusal", "audio", "function_call");

    private static final String CALLS = "tool_calls";
    private static final String CALL_ID = "tool_call_id";
    static final int MAX_CALLS = 128;
    static final int MAX_ID_CHARACTERS = 256;

    /// The names of the functions that were called before, by the ids of the calls.
    private final Map<String, String> called = new HashMap<>();

    private ChatMessages() {}

    /// @throws RequestException naming the message, its field and its limit
    public static List<ChatMessage> read(RequestFields fields) {
        var list = entries(fields);
        var reader = new ChatMessages();
        var messages = new ArrayList<ChatMessage>(list.size());
        for (var entry : list) {
            messages.add(reader.message(FIELD + "[" + messages.size() + "]", entry));
        }
        return messages;
    }

    /// The entries of `messages`, in OpenAI's API and in Anthropic's.
    public static List<?> entries(RequestFields fields) {
        var value = fields.fields().get(FIELD);
        if (!(value instanceof List<?> list)) {
            throw value == null
                    ? RequestException.invalid(FIELD, "messages is missing; it must be a list of objects")
                    : RequestFields.wrong(FIELD, value, "a list of objects");
        }
        if (list.isEmpty() || list.size() > MAX_MESSAGES) {
            throw RequestException.invalid(
                    FIELD, "messages has " + list.size() + " entries; it must have 1 to " + MAX_MESSAGES);
        }
        return list;
    }

    private ChatMessage message(String at, @Nullable Object entry) {
        if (!(entry instanceof Map<?, ?> map)) {
            throw RequestFields.wrong(at, entry, "an object with role and content");
        }
        var fields = new RequestFields(map);
        var role = within(at, () -> fields.text("role"));
        if (!ROLES.contains(role) && !role.equals(DEVELOPER)) {
            throw RequestException.invalid(
                    at + ".role",
                    at + ".role is \"" + RequestFields.shortened(role)
                            + "\"; it must be system, developer, user, assistant or tool");
        }
        for (var name : UNSUPPORTED) {
            if (!UnsupportedFields.asksForNothing(map.get(name))) {
                throw RequestException.invalid(at + "." + name, at + "." + name + " is not supported");
            }
        }
        if (!fields.has("content") && !role.equals(ASSISTANT)) {
            throw RequestException.invalid(
                    at + ".content", at + ".content is missing; it must be a string or a list of text parts");
        }
        var content = String.join("\n", within(at, () -> texts(fields, "content")));
        return switch (role) {
            case TOOL -> toolResult(at, fields, content);
            case ASSISTANT -> ChatMessage.assistant(content, reasoning(at, fields), calls(at, map));
            default -> {
                refuseCalls(at, map);
                yield new ChatMessage(role.equals(DEVELOPER) ? "system" : role, content);
            }
        };
    }

    private static void refuseCalls(String at, Map<?, ?> message) {
        if (!UnsupportedFields.asksForNothing(message.get(CALLS))) {
            throw RequestException.invalid(
                    at + "." + CALLS, at + "." + CALLS + " is there; only the assistant calls tools");
        }
    }

    /// What the assistant thought, by either of the names that servers give it.
    private static String reasoning(String at, RequestFields fields) {
        var name = fields.has("reasoning_content") ? "reasoning_content" : "reasoning";
        return within(at, () -> anyText(fields, name));
    }

    private ChatMessage toolResult(String at, RequestFields fields, String content) {
        refuseCalls(at, fields.fields());
        var id = id(at, fields, CALL_ID);
        var name = called.get(id);
        if (name == null) {
            throw RequestException.invalid(
                    at + "." + CALL_ID,
                    at + "." + CALL_ID + " is \"" + RequestFields.shortened(id)
                            + "\"; it must be the id of one of the tool_calls before it");
        }
        return ChatMessage.toolResult(id, name, content);
    }

    /// The id of a call.
    ///
    /// @param at names the object that has it
    public static String id(String at, RequestFields fields, String name) {
        var id = within(at, () -> fields.text(name));
        if (id.length() > MAX_ID_CHARACTERS) {
            throw RequestException.invalid(
                    at + "." + name,
                    at + "." + name + " has " + id.length() + " characters; the limit is " + MAX_ID_CHARACTERS);
        }
        return id;
    }

    private List<ToolCall> calls(String within, Map<?, ?> message) {
        var value = message.get(CALLS);
        if (UnsupportedFields.asksForNothing(value)) {
            return List.of();
        }
        var place = within + "." + CALLS;
        if (!(value instanceof List<?> list)) {
            throw RequestFields.wrong(place, value, "a list of objects");
        }
        checkCalls(place, list.size(), "entries");
        var calls = new LinkedHashMap<String, ToolCall>();
        for (var index = 0; index < list.size(); index++) {
            var at = place + "[" + index + "]";
            var call = call(at, list.get(index));
            addCall(at, call, calls);
            called.put(call.id(), call.name());
        }
        return List.copyOf(calls.values());
    }

    /// @param count of the calls in one turn
    /// @param what is counted
    public static void checkCalls(String at, int count, String what) {
        if (count > MAX_CALLS) {
            throw RequestException.invalid(at, at + " has " + count + " " + what + "; the limit is " + MAX_CALLS);
        }
    }

    /// Adds a call to those of its turn, by their ids.
    ///
    /// @param at names the object that has its `id`
    public static void addCall(String at, ToolCall call, Map<String, ToolCall> calls) {
        if (calls.putIfAbsent(call.id(), call) != null) {
            throw RequestException.invalid(
                    at + ".id",
                    at + ".id is \"" + RequestFields.shortened(call.id()) + "\", which is the id of another call, too");
        }
    }

    private static ToolCall call(String at, @Nullable Object entry) {
        if (!(entry instanceof Map<?, ?> map)) {
            throw RequestFields.wrong(at, entry, "an object with id, type and function");
        }
        var id = id(at, new RequestFields(map), "id");
        ToolFields.checkType(at, map);
        var place = at + ".function";
        if (!(map.get("function") instanceof Map<?, ?> function)) {
            throw RequestFields.wrong(place, map.get("function"), "an object with name and arguments");
        }
        var fields = new RequestFields(function);
        return new ToolCall(id, ToolFields.name(place, fields), arguments(place, fields));
    }

    /// The arguments of a call, which are the text of a JSON object. Some servers write no arguments as an empty text.
    ///
    /// @param at names the object that has them
    public static String arguments(String at, RequestFields fields) {
        var text = within(at, () -> anyText(fields, "arguments"));
        if (text.isBlank()) {
            return "{}";
        }
        try {
            StrictJson.checkObject(text, at + ".arguments");
            return text;
        } catch (RequestException e) {
            throw RequestException.invalid(at + ".arguments", e.error().message());
        }
    }

    /// The texts of a field, which is a string or a list of `{"type":"text","text":"…"}`; none if it is missing.
    public static List<String> texts(RequestFields fields, String name) {
        if (!(fields.fields().get(name) instanceof List<?> parts)) {
            var text = fields.textOrNull(name);
            return text == null ? List.of() : List.of(text);
        }
        var texts = new ArrayList<String>(parts.size());
        for (var part : parts) {
            var place = name + "[" + texts.size() + "]";
            if (!(part instanceof Map<?, ?> map)) {
                throw RequestFields.wrong(place, part, "an object with type and text");
            }
            var block = new RequestFields(map);
            var type = within(place, () -> block.text("type"));
            if (!type.equals("text")) {
                throw RequestException.invalid(
                        place + ".type",
                        place + ".type is \"" + RequestFields.shortened(type)
                                + "\", which is not supported; it must be text");
            }
            texts.add(within(place, () -> anyText(block, "text")));
        }
        return texts;
    }

    private static String anyText(RequestFields fields, String name) {
        return Objects.requireNonNullElse(fields.textOrNull(name), "");
    }

    /// An error names the place of the object that has the wrong field.
    public static <T extends @Nullable Object> T within(String at, Supplier<T> reading) {
        try {
            return reading.get();
        } catch (RequestException e) {
            var error = e.error();
            throw RequestException.invalid(at + "." + error.parameter(), at + "." + error.message());
        }
    }
}
