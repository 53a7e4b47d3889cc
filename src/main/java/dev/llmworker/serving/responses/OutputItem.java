package dev.llmworker.serving.responses;

import dev.llmworker.text.chat.AnswerPart;
import dev.llmworker.text.chat.ToolCall;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// An item of a response's output while it grows: a message, reasoning, or a call of a function.
///
/// Threading: one thread at a time.
final class OutputItem {
    final Kind kind;
    final String id;
    /// Of a call, its arguments.
    final StringBuilder text = new StringBuilder();

    final List<Map<String, ?>> scores = new ArrayList<>(0);
    final String name;
    String status = "in_progress";

    private final int index;
    private final String callId;
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

    /// As later turns of the conversation have it.
    ToolCall call() {
        return new ToolCall(callId, name, text.isEmpty() ? "{}" : text.toString());
    }

    /// The item as it is now.
    Map<String, Object> json() {
        return json(text.toString(), List.of(part(text.toString(), scores)));
    }

    /// The members of the event that says that it begins.
    Map<String, Object> added() {
        return inOutput("item", json("", List.of()));
    }

    private Map<String, Object> json(String written, List<?> content) {
        var item = new LinkedHashMap<String, Object>();
        item.put("id", id);
        item.put("type", kind.type);
        item.put("status", status);
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
    Map<String, Object> part(String written, List<Map<String, ?>> logprobs) {
        var part = new LinkedHashMap<String, Object>();
        part.put("type", kind == Kind.MESSAGE ? "output_text" : "reasoning_text");
        part.put("text", written);
        if (kind == Kind.MESSAGE) {
            part.put("annotations", List.of());
            part.put("logprobs", logprobs);
        }
        return part;
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
