package dev.llmworker.serving.responses;

import dev.llmworker.generation.GenerationEvent.Token;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.StrictJson;
import dev.llmworker.serving.wire.TokenScores;
import dev.llmworker.text.chat.AnswerPart;
import dev.llmworker.text.chat.ChatMessage;
import dev.llmworker.text.chat.ToolCall;
import java.util.AbstractList;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// An item of a response's output while it grows: a message, reasoning, or a call of a function.
///
/// Threading: one thread at a time.
final class OutputItem {
    private static final String IN_PROGRESS = "in_progress";

    final Kind kind;
    final String id;
    final String name;
    final String callId;
    /// Of a call, its arguments.
    final StringBuilder text = new StringBuilder();
    /// The tokens of a message that have scores.
    final List<Token> scored = new ArrayList<>(0);

    String status = IN_PROGRESS;

    private final int index;
    private final boolean encrypts;

    /// The types of items.
    enum Kind {
        MESSAGE("msg_", "message", "response.output_text"),
        REASONING("rs_", "reasoning", "response.reasoning_text"),
        CALL("fc_", "function_call", "response.function_call_arguments");

        private final String prefix;
        private final String type;
        /// The name of its events, without `.delta` or `.done`.
        final String event;

        Kind(String prefix, String type, String event) {
            this.prefix = prefix;
            this.type = type;
            this.event = event;
        }
    }

    private OutputItem(Kind kind, int index, String callId, String name, boolean encrypts) {
        this.kind = kind;
        this.index = index;
        this.callId = callId;
        this.name = name;
        this.encrypts = encrypts;
        id = ResponseId.of(kind.prefix);
    }

    /// @param index its place in the output
    /// @param encrypts whether reasoning has the member `encrypted_content`
    static OutputItem of(Kind kind, int index, boolean encrypts) {
        return new OutputItem(kind, index, "", "", encrypts);
    }

    static OutputItem ofCall(int index, AnswerPart.CallStart start) {
        return new OutputItem(Kind.CALL, index, start.id(), start.name(), false);
    }

    boolean isOpen() {
        return status.equals(IN_PROGRESS);
    }

    /// As a turn of the conversation. A call that was cut before its arguments were whole is none.
    ChatMessage turn() {
        var said = text.toString();
        return switch (kind) {
            case MESSAGE -> ChatMessage.assistant(said, "", List.of());
            case REASONING -> ChatMessage.assistant("", said, List.of());
            case CALL ->
                ChatMessage.assistant(
                        "", "", isWhole(said) ? List.of(new ToolCall(callId, name, arguments(said))) : List.of());
        };
    }

    /// A call without arguments may have no text at all.
    private static String arguments(String text) {
        return text.isEmpty() ? "{}" : text;
    }

    private static boolean isWhole(String text) {
        try {
            StrictJson.checkObject(arguments(text), "arguments");
            return true;
        } catch (RequestException _) {
            return false;
        }
    }

    /// The item as it is now.
    Map<String, Object> json() {
        var written = text.toString();
        return json(status, written, List.of(part(written, scored)));
    }

    /// The members of the event that says that it begins.
    Map<String, Object> added() {
        return inOutput("item", json(IN_PROGRESS, "", List.of()));
    }

    private Map<String, Object> json(String shownStatus, String written, List<?> content) {
        var item = new LinkedHashMap<String, Object>();
        item.put("id", id);
        item.put("type", kind.type);
        item.put("status", shownStatus);
        switch (kind) {
            case MESSAGE -> {
                item.put("role", "assistant");
                item.put("content", content);
            }
            case REASONING -> {
                item.put("summary", List.of());
                item.put("content", content);
                if (encrypts) {
                    item.put(EncryptedReasoning.FIELD, EncryptedReasoning.of(written));
                }
            }
            case CALL -> {
                item.put("call_id", callId);
                item.put("name", name);
                item.put("arguments", written);
            }
        }
        return item;
    }

    /// The one part of its content.
    Map<String, Object> part(String written, List<Token> scores) {
        var part = new LinkedHashMap<String, Object>();
        part.put("type", kind == Kind.MESSAGE ? "output_text" : "reasoning_text");
        part.put("text", written);
        if (kind == Kind.MESSAGE) {
            part.put("annotations", List.of());
            part.put("logprobs", logprobs(scores));
        }
        return part;
    }

    /// The scores of tokens. Each is made when it is written, because maps take many times what their text does.
    static List<Map<String, Object>> logprobs(List<Token> tokens) {
        return new AbstractList<>() {
            @Override
            public Map<String, Object> get(int index) {
                return TokenScores.of(tokens.get(index));
            }

            @Override
            public int size() {
                return tokens.size();
            }
        };
    }

    /// The members of an event about the item.
    Map<String, Object> inOutput(String member, Object value) {
        var members = new LinkedHashMap<String, Object>();
        members.put("output_index", index);
        members.put(member, value);
        return members;
    }

    /// The members of an event about its text.
    Map<String, Object> inPart(String member, Object value) {
        var members = new LinkedHashMap<String, Object>();
        members.put("item_id", id);
        members.put("output_index", index);
        if (kind != Kind.CALL) {
            members.put("content_index", 0);
        }
        members.put(member, value);
        return members;
    }
}
