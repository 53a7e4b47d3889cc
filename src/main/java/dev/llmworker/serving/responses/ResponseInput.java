package dev.llmworker.serving.responses;

import dev.llmworker.generation.HeldMemory;
import dev.llmworker.serving.request.ChatMessages;
import dev.llmworker.serving.request.ToolFields;
import dev.llmworker.serving.request.UnsupportedFields;
import dev.llmworker.serving.wire.Json;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.text.chat.ChatMessage;
import dev.llmworker.text.chat.ToolCall;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
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
    private static final String USER = "user";
    private static final String ASSISTANT = "assistant";
    private static final String CALL_ID = "call_id";
    private static final String MESSAGE = "message";
    private static final String OUTPUT = "function_call_output";
    private static final String REFERENCE = "item_reference";
    private static final String ITEMS = "message, function_call, function_call_output, reasoning or item_reference";
    /// What a message may say in place of its content.
    private static final List<String> UNSUPPORTED = List.of("tool_calls", "function_call", "refusal", "audio");

    private final Source source;
    private final List<ChatMessage> turns = new ArrayList<>();
    /// The last turn, as the parts that make it up.
    private final List<ChatMessage> last = new ArrayList<>(1);
    private final List<ResponseStore.Item> items = new ArrayList<>();
    /// The names of the functions that were called before, by the ids of the calls.
    private final Map<String, String> called = new HashMap<>();
    /// The ids of the calls that have no output yet. A server may begin to count them anew with each answer.
    private final Set<String> open = new HashSet<>();

    private ResponseInput(Source source) {
        this.source = source;
    }

    /// What a request goes on from.
    ///
    /// @param before the turns of the earlier response
    /// @param queued messages that come before the request's own, but after results of calls
    /// @param stored finds an item that the store has
    /// @param keeps whether the response will be kept
    /// @param held counts what is not in the text of the request
    record Source(
            List<ChatMessage> before,
            List<ResponseStore.Item> queued,
            Function<String, ResponseStore.@Nullable Item> stored,
            boolean keeps,
            HeldMemory held) {}

    /// @param turns of the conversation, without `instructions`
    /// @param items of this request alone, if they are kept
    record Read(List<ChatMessage> turns, List<ResponseStore.Item> items) {
        Read {
            turns = List.copyOf(turns);
            items = List.copyOf(items);
        }
    }

    /// @throws RequestException naming the item, its field and its limit
    static Read read(RequestFields fields, Source source) {
        var reader = new ResponseInput(source);
        source.before.forEach(reader::add);
        var queued = new ArrayList<>(source.queued);
        var sent = items(fields, source.before.isEmpty());
        for (var index = 0; index < sent.size(); index++) {
            if (!(sent.get(index) instanceof Map<?, ?> map && OUTPUT.equals(map.get(TYPE)))) {
                reader.addAll(queued);
            }
            reader.item(FIELD + "[" + index + "]", sent.get(index));
        }
        reader.addAll(queued);
        return reader.whole();
    }

    /// What follows a response if its client queued messages and nothing else.
    static Read queued(Source source) {
        var reader = new ResponseInput(source);
        source.before.forEach(reader::add);
        reader.addAll(new ArrayList<>(source.queued));
        return reader.whole();
    }

    /// Messages of the user that steer a response: a text, or items of this kind alone.
    ///
    /// @throws RequestException naming the item and its field
    static List<ResponseStore.Item> steering(RequestFields fields, HeldMemory held) {
        var reader = new ResponseInput(new Source(List.of(), List.of(), _ -> null, true, held));
        var sent = items(fields, true);
        for (var index = 0; index < sent.size(); index++) {
            var at = FIELD + "[" + index + "]";
            var entry = sent.get(index);
            if (!(entry instanceof Map<?, ?> map)
                    || !MESSAGE.equals(Objects.requireNonNullElse(map.get(TYPE), MESSAGE))
                    || !USER.equals(map.get("role"))) {
                throw RequestFields.wrong(at, entry, "a message of the role user");
            }
            reader.item(at, entry);
        }
        return reader.items;
    }

    private static List<?> items(RequestFields fields, boolean mustHaveSome) {
        return switch (fields.fields().get(FIELD)) {
            case null ->
                throw RequestException.invalid(FIELD, "input is missing; it must be a string or a list of items");
            case String _ -> List.of(Map.of("role", USER, CONTENT, fields.text(FIELD)));
            case List<?> list -> {
                if (list.isEmpty() && mustHaveSome || list.size() > ChatMessages.MAX_MESSAGES) {
                    throw RequestException.invalid(
                            FIELD,
                            "input has " + list.size() + " items; it must have 1 to " + ChatMessages.MAX_MESSAGES);
                }
                yield list;
            }
            case Object other -> throw RequestFields.wrong(FIELD, other, "a string or a list of items");
        };
    }

    private Read whole() {
        endTurn();
        if (turns.size() > ChatMessages.MAX_MESSAGES) {
            throw RequestException.invalid(
                    FIELD,
                    "input and the responses before it have " + turns.size() + " turns; the limit is "
                            + ChatMessages.MAX_MESSAGES);
        }
        return new Read(turns, items);
    }

    /// Adds items that were read before, and empties the list.
    private void addAll(List<ResponseStore.Item> read) {
        read.forEach(this::add);
        read.clear();
    }

    private void add(ResponseStore.Item item) {
        add(item.turn());
        if (source.keeps) {
            items.add(item);
        }
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
            case OUTPUT -> keep("fco_", map, result(at, fields));
            case "reasoning" -> keep("rs_", map, ChatMessage.assistant("", reasoning(at, fields), List.of()));
            case REFERENCE -> referred(at, fields);
            case String other ->
                throw RequestException.invalid(
                        at + "." + TYPE,
                        at + "." + TYPE + " is \"" + RequestFields.shortened(other)
                                + "\", which is not supported; it must be " + ITEMS);
        }
    }

    /// The item may be large, and may be referred to many times.
    private void referred(String at, RequestFields fields) {
        var id = ChatMessages.id(at, fields, "id");
        var item = source.stored.apply(id);
        if (item == null) {
            throw RequestException.invalid(
                    at + ".id",
                    at + ".id is \"" + RequestFields.shortened(id)
                            + "\", which is not an item of a stored response; send the item itself");
        }
        source.held.take(item.bytes());
        item.turn().toolCalls().forEach(call -> check(at + ".id", call));
        var answered = item.turn().toolCallId();
        if (!answered.isEmpty() && !called.containsKey(answered)) {
            throw RequestException.invalid(
                    at + ".id",
                    at + ".id is \"" + RequestFields.shortened(id)
                            + "\", the output of a call that is not one of the items before it");
        }
        add(item);
    }

    private ChatMessage message(String at, RequestFields fields) {
        var role = ChatMessages.within(at, () -> fields.text("role"));
        var known = switch (role) {
            case USER, ASSISTANT, SYSTEM -> role;
            case "developer" -> SYSTEM;
            default ->
                throw RequestException.invalid(
                        at + ".role",
                        at + ".role is \"" + RequestFields.shortened(role)
                                + "\"; it must be user, assistant, system or developer");
        };
        for (var name : UNSUPPORTED) {
            if (!UnsupportedFields.asksForNothing(fields.fields().get(name))) {
                throw RequestException.invalid(at + "." + name, at + "." + name + " is not supported");
            }
        }
        if (!fields.has(CONTENT)) {
            throw RequestException.invalid(
                    at + "." + CONTENT, at + "." + CONTENT + " is missing; it must be a string or a list of parts");
        }
        return new ChatMessage(known, texts(at, fields, CONTENT, "input_text", "output_text"));
    }

    private ToolCall call(String at, RequestFields fields) {
        var id = ChatMessages.id(at, fields, CALL_ID);
        var call = new ToolCall(id, ToolFields.name(at, fields), ChatMessages.arguments(at, fields));
        check(at + "." + CALL_ID, call);
        return call;
    }

    /// Refuses a call that cannot be told from one before it.
    ///
    /// @param at names the field that has its id
    private void check(String at, ToolCall call) {
        if (open.contains(call.id())) {
            throw RequestException.invalid(
                    at,
                    at + " is of the call \"" + RequestFields.shortened(call.id())
                            + "\", which is there already and has no output");
        }
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
        if (!source.keeps) {
            add(turn);
            return;
        }
        var id = sent.get("id") instanceof String named && !named.isEmpty() ? named : ResponseId.of(prefix);
        var members = new LinkedHashMap<String, Object>();
        members.put("id", id);
        members.put(TYPE, MESSAGE);
        sent.forEach((name, value) -> {
            if (value != null && !name.equals("id")) {
                members.put(String.valueOf(name), value);
            }
        });
        if (MESSAGE.equals(members.get(TYPE)) && members.get(CONTENT) instanceof String text) {
            var isSaid = turn.role().equals(ASSISTANT);
            members.put(CONTENT, List.of(Map.of(TYPE, isSaid ? "output_text" : "input_text", "text", text)));
        }
        members.putIfAbsent("status", "completed");
        var item = new ResponseStore.Item(id, Json.text(members), turn);
        source.held.take(item.bytes());
        add(item);
    }

    /// Adds a turn, or more of the last one.
    private void add(ChatMessage turn) {
        for (var call : turn.toolCalls()) {
            called.put(call.id(), call.name());
            open.add(call.id());
        }
        open.remove(turn.toolCallId());
        var goesOn = turn.role().equals(ASSISTANT) || turn.role().equals(SYSTEM);
        if (!last.isEmpty() && !(goesOn && last.getFirst().role().equals(turn.role()))) {
            endTurn();
        }
        last.add(turn);
    }

    private void endTurn() {
        if (last.size() > 1) {
            source.held.take(ResponseStore.bytes(last));
            var calls = last.stream().flatMap(part -> part.toolCalls().stream()).toList();
            turns.add(new ChatMessage(
                    last.getFirst().role(),
                    joined(last.stream().map(ChatMessage::content)),
                    calls,
                    joined(last.stream().map(ChatMessage::reasoning)),
                    "",
                    ""));
        } else {
            turns.addAll(last);
        }
        last.clear();
    }

    /// `instructions` come first. They are of this request alone.
    static List<ChatMessage> instructed(@Nullable String instructions, List<ChatMessage> turns, HeldMemory held) {
        if (instructions == null || instructions.isEmpty()) {
            return turns;
        }
        var all = new ArrayList<>(turns);
        held.take(ResponseStore.bytes(all.subList(0, Math.min(1, all.size()))));
        if (!all.isEmpty() && all.getFirst().role().equals(SYSTEM)) {
            all.set(
                    0,
                    new ChatMessage(
                            SYSTEM,
                            joined(Stream.of(instructions, all.getFirst().content()))));
        } else {
            all.addFirst(new ChatMessage(SYSTEM, instructions));
        }
        return all;
    }

    private static String joined(Stream<String> texts) {
        return texts.filter(text -> !text.isEmpty()).collect(Collectors.joining("\n"));
    }
}
