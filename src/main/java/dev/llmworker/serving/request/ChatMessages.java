package dev.llmworker.serving.request;

import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.text.chat.ChatMessage;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// Reads the messages of a conversation: each has a `role`, and a `content` that is a string or a list of
/// `{"type":"text","text":"…"}`, whose texts are lines then. A turn of the assistant may have no content:
/// servers answer so if nothing was generated, and clients send it back.
public final class ChatMessages {
    static final int MAX_MESSAGES = 1024;

    private static final String FIELD = "messages";
    private static final String ASSISTANT = "assistant";
    private static final Set<String> ROLES = Set.of("system", "user", ASSISTANT);
    /// The newer name of `system`; templates know the older.
    private static final String DEVELOPER = "developer";
    /// What a message may say in place of its content.
    private static final List<String> UNSUPPORTED = List.of("refusal", "audio");

    private ChatMessages() {}

    /// @throws RequestException naming the message, its field and its limit
    public static List<ChatMessage> read(RequestFields fields) {
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
        var messages = new ArrayList<ChatMessage>(list.size());
        for (var entry : list) {
            messages.add(message(FIELD + "[" + messages.size() + "]", entry));
        }
        return messages;
    }

    private static ChatMessage message(String at, @Nullable Object entry) {
        if (!(entry instanceof Map<?, ?> map)) {
            throw RequestFields.wrong(at, entry, "an object with role and content");
        }
        var fields = new RequestFields(map);
        var role = within(at, () -> fields.text("role"));
        if (!UnsupportedFields.asksForNothing(map.get("tool_calls"))
                || !UnsupportedFields.asksForNothing(map.get("function_call"))) {
            throw RequestException.invalid(at, at + " calls a tool, which is not supported");
        }
        if (!ROLES.contains(role) && !role.equals(DEVELOPER)) {
            throw RequestException.invalid(
                    at + ".role",
                    at + ".role is \"" + RequestFields.shortened(role)
                            + "\"; it must be system, developer, user or assistant");
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
        var content = fields.fields().get("content") instanceof List<?> parts
                ? text(at + ".content", parts)
                : within(at, () -> anyText(fields, "content"));
        return new ChatMessage(role.equals(DEVELOPER) ? "system" : role, content);
    }

    private static String text(String at, List<?> parts) {
        var texts = new ArrayList<String>(parts.size());
        for (var part : parts) {
            var place = at + "[" + texts.size() + "]";
            if (!(part instanceof Map<?, ?> map)) {
                throw RequestFields.wrong(place, part, "an object with type and text");
            }
            var fields = new RequestFields(map);
            var type = within(place, () -> fields.text("type"));
            if (!type.equals("text")) {
                throw RequestException.invalid(
                        place + ".type",
                        place + ".type is \"" + RequestFields.shortened(type)
                                + "\", which is not supported; it must be text");
            }
            texts.add(within(place, () -> anyText(fields, "text")));
        }
        return String.join("\n", texts);
    }

    private static String anyText(RequestFields fields, String name) {
        return Objects.requireNonNullElse(fields.textOrNull(name), "");
    }

    /// An error names the place of the object that has the wrong field.
    private static String within(String at, Supplier<String> reading) {
        try {
            return reading.get();
        } catch (RequestException e) {
            var error = e.error();
            throw RequestException.invalid(at + "." + error.parameter(), at + "." + error.message());
        }
    }
}
