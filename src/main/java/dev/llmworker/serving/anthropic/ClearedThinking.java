package dev.llmworker.serving.anthropic;

import dev.llmworker.serving.request.ChatMessages;
import dev.llmworker.serving.request.UnsupportedFields;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.text.chat.ChatMessage;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// Reads `context_management`, of which one edit is supported: `clear_thinking_20251015`, which leaves the reasoning of
/// older turns out of the prompt. Claude Code sends it.
///
/// @param keptTurns of how many turns of the assistant the reasoning stays
record ClearedThinking(int keptTurns) {
    static final String FIELD = "context_management";

    private static final String EDITS = FIELD + ".edits";
    private static final String TYPE = "clear_thinking_20251015";
    private static final String KEEP = "keep";
    private static final String ALL = "all";

    private static final ClearedThinking NONE = new ClearedThinking(Integer.MAX_VALUE);
    private static final ClearedThinking DEFAULT = new ClearedThinking(1);

    /// @throws RequestException naming an edit that is not supported
    static ClearedThinking read(RequestFields fields) {
        var members = fields.object(FIELD);
        members.forEach((name, value) -> {
            if (!name.equals("edits") && !UnsupportedFields.asksForNothing(value)) {
                throw RequestException.invalid(FIELD + "." + name, FIELD + "." + name + " is not supported");
            }
        });
        var edits = members.get("edits");
        if (UnsupportedFields.asksForNothing(edits)) {
            return NONE;
        }
        if (!(edits instanceof List<?> list)) {
            throw RequestFields.wrong(EDITS, edits, "a list of objects");
        }
        if (list.size() > 1) {
            throw RequestException.invalid(EDITS, EDITS + " has " + list.size() + " entries; the limit is 1");
        }
        var at = EDITS + "[0]";
        if (!(list.getFirst() instanceof Map<?, ?> map)) {
            throw RequestFields.wrong(at, list.getFirst(), "an object with a type");
        }
        var edit = new RequestFields(map);
        var type = ChatMessages.within(at, () -> edit.text("type"));
        if (!type.equals(TYPE)) {
            throw RequestException.invalid(
                    at + ".type",
                    at + ".type is \"" + RequestFields.shortened(type) + "\", which is not supported; it must be "
                            + TYPE);
        }
        return kept(at + "." + KEEP, edit);
    }

    private static ClearedThinking kept(String at, RequestFields edit) {
        return switch (edit.fields().get(KEEP)) {
            case null -> DEFAULT;
            case String text when text.equals(ALL) -> NONE;
            case Map<?, ?> keep when ALL.equals(keep.get("type")) -> NONE;
            case Map<?, ?> keep
            when "thinking_turns".equals(keep.get("type")) -> {
                var turns = ChatMessages.within(at, () -> new RequestFields(keep).whole("value"));
                if (turns.isEmpty() || turns.getAsInt() < 1) {
                    throw RequestFields.wrong(at + ".value", keep.get("value"), "a whole number of at least 1");
                }
                yield new ClearedThinking(turns.getAsInt());
            }
            case Object other ->
                throw RequestFields.wrong(at, other, "\"all\" or an object of the type all or thinking_turns");
        };
    }

    /// The conversation without the reasoning of older turns. A turn of the assistant goes on over the results of its
    /// calls, up to the user's next message.
    List<ChatMessage> of(List<ChatMessage> conversation) {
        if (keptTurns == Integer.MAX_VALUE) {
            return conversation;
        }
        var edited = new ArrayList<>(conversation);
        var turns = 0;
        var isWithin = false;
        for (var index = edited.size() - 1; index >= 0; index--) {
            var message = edited.get(index);
            switch (message.role()) {
                case "user" -> isWithin = false;
                case "system" -> {}
                default -> {
                    turns += isWithin ? 0 : 1;
                    isWithin = true;
                    if (turns > keptTurns && !message.reasoning().isEmpty()) {
                        edited.set(index, ChatMessage.assistant(message.content(), "", message.toolCalls()));
                    }
                }
            }
        }
        return edited;
    }
}
