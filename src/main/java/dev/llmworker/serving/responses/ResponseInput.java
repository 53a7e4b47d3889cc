package dev.llmworker.serving.responses;

import dev.llmworker.serving.request.ChatMessages;
import dev.llmworker.serving.request.ToolFields;
import dev.llmworker.serving.wire.Json;
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
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Reads `input`, a text or a list of items, as turns for a chat template, after those of an earlier response.
///
/// - What the assistant thought, said and called between two turns of others is one turn.
/// - Messages of the system and of the developer that follow each other are one turn.
final class ResponseInput {
    static final String FIELD = "input";

    private static final String TYPE = "type";
    private static final String CONTENT = "content";
    private static final String SUMMARY = "summary";
    private static final String SYSTEM = "system";
    private static final String ASSISTANT = "assistant";
    private static final String CALL_ID = "call_id";
    private static final String MESSAGE = "message";
    private static final String REFERENCE = "item_reference";
    private static final String ITEMS = "message, function_call, function_call_output, reasoning or item_reference";

    private final List<ChatMessage> turns = new ArrayList<>();
    private final List<ResponseStore.Item> items = new ArrayList<>();
    /// The names of the functions that were called before, by the ids of the calls.
    private final Map<String, String> called = new HashMap<>();
    private final Function<String, ResponseStore.@Nullable Item> stored;

    private final boolean keeps;

    private ResponseInput(Function<String, ResponseStore.@Nullable Item> stored, boolean keeps) {
        this.stored = stored;
        this.keeps = keeps;
    }

    /// @param turns of the conversation, without `instructions`
    /// @param items of this request alone, if they are kept
    record Read(List<ChatMessage> turns, List<ResponseStore.Item> items) {}

    /// @param before the turns of the earlier response
    /// @param stored finds an item that the store has
    /// @param keeps whether the response will be kept
    /// @throws RequestException naming the item, its field and its limit
    static Read read(
            RequestFields fields,
            List<ChatMessage> before,
            Function<String, ResponseStore.@Nullable Item> stored,
            boolean keeps) {
        var reader = new ResponseInput(stored, keeps);
        before.forEach(reader::add);
        switch (fields.fields().get(FIELD)) {
            case null ->
                throw RequestException.invalid(FIELD, "input is missing; it must be a string or a list of items");
            case String _ -> reader.item(FIELD, Map.of("role", "user", CONTENT, fields.text(FIELD)));
            case List<?> list -> {
                if (list.isEmpty() && before.isEmpty() || list.size() > ChatMessages.MAX_MESSAGES) {
                    throw RequestException.invalid(
                            FIELD,
                            "input has " + list.size() + " items; it must have 1 to " + ChatMessages.MAX_MESSAGES);
                }
                for (var index = 0; index < list.size(); index++) {
                    reader.item(FIELD + "[" + index + "]", list.get(index));
                }
            }
            case Object other -> throw RequestFields.wrong(FIELD, other, "a string or a list of items");
        }
        if (reader.turns.size() > ChatMessages.MAX_MESSAGES) {
            throw RequestException.invalid(
                    FIELD,
                    "input and the responses before it have " + reader.turns.size() + " turns; the limit is "
                            + ChatMessages.MAX_MESSAGES);
        }
        return new Read(reader.turns, reader.items);
    }

    private void item(String at, @Nullable Object entry) {
        if (!(entry instanceof Map<?, ?> map)) {
            throw RequestFields.wrong(at, entry, "an object with a type");
        }
        var fields = new RequestFields(map);
        var type = ChatMessages.within(at, () -> fields.textOrNull(TYPE));
        switch (type == null ? (fields.has("role") ? MESSAGE : REFERENCE) : type) {
            case MESSAGE -> keep("msg_", map, message(at, fields));
            case "function_call" -> keep("fc_", map, ChatMessage.assistant("", "", List.of(call(at, fields))));
            case "function_call_output" -> keep("fco_", map, result(at, fields));
            case "reasoning" -> keep("rs_", map, ChatMessage.assistant("", reasoning(at, fields), List.of()));
            case REFERENCE -> referred(at, fields);
            case String other ->
                throw RequestException.invalid(
                        at + "." + TYPE,
                        at + "." + TYPE + " is \"" + RequestFields.shortened(other)
                                + "\", which is not supported; it must be " + ITEMS);
        }
    }

    private void referred(String at, RequestFields fields) {
        var id = ChatMessages.id(at, fields, "id");
        var item = stored.apply(id);
        if (item == null) {
            throw RequestException.invalid(
                    at + ".id",
                    at + ".id is \"" + RequestFields.shortened(id)
                            + "\", which is not an item of a stored response; send the item itself");
        }
        item(at, StrictJson.object(item.json(), at));
    }

    private ChatMessage message(String at, RequestFields fields) {
        var role = ChatMessages.within(at, () -> fields.text("role"));
        var known = switch (role) {
            case "user", ASSISTANT, SYSTEM -> role;
            case "developer" -> SYSTEM;
            default ->
                throw RequestException.invalid(
                        at + ".role",
                        at + ".role is \"" + RequestFields.shortened(role)
                                + "\"; it must be user, assistant, system or developer");
        };
        if (!fields.has(CONTENT)) {
            throw RequestException.invalid(
                    at + "." + CONTENT, at + "." + CONTENT + " is missing; it must be a string or a list of parts");
        }
        return new ChatMessage(known, texts(at, fields, CONTENT, "input_text", "output_text"));
    }

    private ToolCall call(String at, RequestFields fields) {
        var id = ChatMessages.id(at, fields, CALL_ID);
        var call = new ToolCall(id, ToolFields.name(at, fields), ChatMessages.arguments(at, fields));
        if (called.putIfAbsent(id, call.name()) != null) {
            throw RequestException.invalid(
                    at + "." + CALL_ID,
                    at + "." + CALL_ID + " is \"" + RequestFields.shortened(id)
                            + "\", which is the id of another call, too");
        }
        return call;
    }

    private ChatMessage result(String at, RequestFields fields) {
        var id = ChatMessages.id(at, fields, CALL_ID);
        var name = called.get(id);
        if (name == null) {
            throw RequestException.invalid(
                    at + "." + CALL_ID,
                    at + "." + CALL_ID + " is \"" + RequestFields.shortened(id)
                            + "\"; it must be the call_id of one of the function_call items before it");
        }
        if (!fields.has("output")) {
            throw RequestException.invalid(
                    at + ".output", at + ".output is missing; it must be a string or a list of parts");
        }
        return ChatMessage.toolResult(id, name, texts(at, fields, "output", "input_text"));
    }

    /// The reasoning itself; else its summary; else what [EncryptedReasoning] has written. What only another server can
    /// read is left out.
    private static String reasoning(String at, RequestFields fields) {
        var text = texts(at, fields, CONTENT, "reasoning_text");
        if (text.isEmpty()) {
            text = texts(at, fields, SUMMARY, "summary_text");
        }
        return text.isEmpty()
                ? EncryptedReasoning.read(ChatMessages.within(at, () -> fields.textOrNull(EncryptedReasoning.FIELD)))
                : text;
    }

    /// The texts of a field, which is a string or a list of parts, as lines.
    private static String texts(String at, RequestFields fields, String name, String... types) {
        if (!(fields.fields().get(name) instanceof List<?> parts)) {
            return Objects.requireNonNullElse(ChatMessages.within(at, () -> fields.textOrNull(name)), "");
        }
        var texts = new ArrayList<String>(parts.size());
        for (var part : parts) {
            var place = at + "." + name + "[" + texts.size() + "]";
            if (!(part instanceof Map<?, ?> map)) {
                throw RequestFields.wrong(place, part, "an object with type and text");
            }
            var block = new RequestFields(map);
            var type = ChatMessages.within(place, () -> block.text(TYPE));
            if (!List.of(types).contains(type)) {
                throw RequestException.invalid(
                        place + "." + TYPE,
                        place + "." + TYPE + " is \"" + RequestFields.shortened(type)
                                + "\", which is not supported; it must be " + String.join(" or ", types));
            }
            var text = ChatMessages.within(place, () -> block.textOrNull("text"));
            if (text == null) {
                throw RequestException.invalid(place + ".text", place + ".text is missing; it must be a string");
            }
            texts.add(text);
        }
        return String.join("\n", texts);
    }

    /// Adds a turn of the request, and its item as the API shows items.
    private void keep(String prefix, Map<?, ?> sent, ChatMessage turn) {
        add(turn);
        if (!keeps) {
            return;
        }
        var id = sent.get("id") instanceof String named && !named.isEmpty() ? named : ResponseId.of(prefix);
        var item = new LinkedHashMap<String, Object>();
        item.put("id", id);
        item.put(TYPE, MESSAGE);
        sent.forEach((name, value) -> {
            if (value != null && !name.equals("id")) {
                item.put(String.valueOf(name), value);
            }
        });
        if (MESSAGE.equals(item.get(TYPE)) && item.get(CONTENT) instanceof String text) {
            var isSaid = turn.role().equals(ASSISTANT);
            item.put(CONTENT, List.of(Map.of(TYPE, isSaid ? "output_text" : "input_text", "text", text)));
        }
        item.putIfAbsent("status", "completed");
        items.add(new ResponseStore.Item(id, Json.text(item)));
    }

    /// Adds a turn, or more of the last one.
    private void add(ChatMessage turn) {
        turn.toolCalls().forEach(call -> called.putIfAbsent(call.id(), call.name()));
        var last = turns.isEmpty() ? null : turns.getLast();
        var isPart = turn.role().equals(ASSISTANT) || turn.role().equals(SYSTEM);
        if (last == null || !isPart || !last.role().equals(turn.role())) {
            turns.add(turn);
            return;
        }
        turns.removeLast();
        turns.add(new ChatMessage(
                turn.role(),
                joined(last.content(), turn.content()),
                Stream.concat(last.toolCalls().stream(), turn.toolCalls().stream())
                        .toList(),
                joined(last.reasoning(), turn.reasoning()),
                "",
                ""));
    }

    /// `instructions` come first. They are of this request alone.
    static List<ChatMessage> instructed(@Nullable String instructions, List<ChatMessage> turns) {
        if (instructions == null || instructions.isEmpty()) {
            return turns;
        }
        var all = new ArrayList<>(turns);
        if (!all.isEmpty() && all.getFirst().role().equals(SYSTEM)) {
            all.set(
                    0,
                    new ChatMessage(SYSTEM, joined(instructions, all.getFirst().content())));
        } else {
            all.addFirst(new ChatMessage(SYSTEM, instructions));
        }
        return all;
    }

    private static String joined(String first, String second) {
        return first.isEmpty() || second.isEmpty() ? first + second : first + "\n" + second;
    }
}
