package dev.llmworker.serving.anthropic;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.serving.delivery.WholeAnswer;
import dev.llmworker.serving.wire.Ending;
import dev.llmworker.serving.wire.EventWriter;
import dev.llmworker.serving.wire.Json;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.StreamEvent;
import dev.llmworker.text.answer.AnswerPart;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;

/// Writes one answer of Anthropic's API, as a whole or as events: blocks of thinking, text and calls in the order in
/// which the model writes them.
///
/// Threading: one thread at a time.
final class MessageWriter implements EventWriter.OfTokens {
    private final MessageRequest request;
    private final String modelId;
    /// Also signs blocks of thinking: some clients send only those back that have a signature. Nobody checks it.
    private final String id;
    private int index = -1;
    private @Nullable Kind open;

    /// The types of blocks.
    private enum Kind {
        THINKING,
        TEXT,
        TOOL_USE
    }

    MessageWriter(MessageRequest request, String modelId) {
        this.request = request;
        this.modelId = modelId;
        id = "msg_" + HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextLong());
    }

    // --- the answer as a whole

    byte[] answer(WholeAnswer answer, Ending ending) {
        var message = message(blocks(answer.parts(), ending.finished()), usage(ending));
        message.putAll(end(ending.finished()));
        return Json.bytes(message);
    }

    /// @param usage token counts
    private Map<String, @Nullable Object> message(List<?> content, Map<String, ?> usage) {
        var message = new LinkedHashMap<String, @Nullable Object>();
        message.put("id", id);
        message.put("type", "message");
        message.put("role", "assistant");
        message.put("model", modelId);
        message.put("content", content);
        message.put("stop_reason", null);
        message.put("stop_sequence", null);
        message.put("usage", usage);
        return message;
    }

    private List<Map<String, ?>> blocks(List<AnswerPart> parts, GenerationEvent.Finished finished) {
        var blocks = new ArrayList<Map<String, ?>>();
        for (var part : parts) {
            switch (part) {
                case AnswerPart.Content(var text) -> blocks.add(block("text", "text", text));
                case AnswerPart.Reasoning(var text) -> {
                    if (request.thinking().isOn()) {
                        var shown = request.thinking().isShown() ? text : "";
                        blocks.add(block("thinking", "thinking", shown, "signature", id));
                    }
                }
                case AnswerPart.CallStart _ -> {}
                case AnswerPart.CallArguments(var call, var json) ->
                    blocks.add(call(start(parts, call), input(json, finished)));
            }
        }
        return blocks;
    }

    private static AnswerPart.CallStart start(List<AnswerPart> parts, int call) {
        return parts.stream()
                .filter(AnswerPart.CallStart.class::isInstance)
                .map(AnswerPart.CallStart.class::cast)
                .filter(start -> start.index() == call)
                .findFirst()
                .orElseThrow();
    }

    /// The arguments of a call; none if it was cut.
    ///
    /// @throws RequestException if the answer is complete and they are no object: another server may write anything
    private static Object input(String json, GenerationEvent.Finished finished) {
        try {
            if (Json.tree(json) instanceof ObjectNode object) {
                return object;
            }
        } catch (JsonProcessingException _) {
            // As what is no object.
        }
        if (finished.reason() == FinishReason.TOOL_CALLS) {
            throw new RequestException(JsonError.of(
                    502, "engine_failed", "the model called a tool with arguments that are not a JSON object"));
        }
        return Map.of();
    }

    private static Map<String, ?> call(AnswerPart.CallStart start, Object input) {
        return block("tool_use", "id", start.id(), "name", start.name(), "input", input);
    }

    /// @param members names and values, alternating
    private static Map<String, ?> block(String type, Object... members) {
        var block = new LinkedHashMap<String, Object>();
        block.put("type", type);
        for (var i = 0; i < members.length; i += 2) {
            block.put((String) members[i], members[i + 1]);
        }
        return block;
    }

    /// Why the answer ended.
    private Map<String, @Nullable Object> end(GenerationEvent.Finished finished) {
        var isStopped = finished.stopSequence() != null && finished.reason() != FinishReason.TOOL_CALLS;
        var end = new LinkedHashMap<String, @Nullable Object>();
        end.put("stop_reason", isStopped ? "stop_sequence" : reason(finished));
        end.put("stop_sequence", isStopped ? finished.stopSequence() : null);
        return end;
    }

    private String reason(GenerationEvent.Finished finished) {
        return switch (finished.reason()) {
            case STOP -> "end_turn";
            case TOOL_CALLS -> "tool_use";
            case CONTENT_FILTER -> "refusal";
            case LENGTH ->
                request.generation().cutsAtContext() && finished.completionTokens() < request.maxTokens()
                        ? "model_context_window_exceeded"
                        : "max_tokens";
            // Its clients know no reason for an answer that was cut.
            case TIMEOUT, CANCELLED -> "max_tokens";
            case ERROR -> throw new IllegalStateException("an answer that failed has no reason but an error");
        };
    }

    private static Map<String, ?> usage(Ending ending) {
        var finished = ending.finished();
        var cached = ending.timings().cachedTokens();
        var usage = usage(finished.promptTokens() - cached, cached, finished.completionTokens());
        if (finished.reasoningTokens() > 0) {
            usage.put("output_tokens_details", Map.of("thinking_tokens", finished.reasoningTokens()));
        }
        return usage;
    }

    private static Map<String, Object> usage(int input, int cached, int output) {
        var usage = new LinkedHashMap<String, Object>();
        usage.put("input_tokens", input);
        usage.put("cache_creation_input_tokens", 0);
        usage.put("cache_read_input_tokens", cached);
        usage.put("output_tokens", output);
        return usage;
    }

    // --- the answer as events

    @Override
    public List<StreamEvent> accepted(int promptTokens) {
        return List.of(
                StreamEvent.named("message_start", Map.of("message", message(List.of(), usage(promptTokens, 0, 0)))),
                StreamEvent.named("ping", Map.of()));
    }

    @Override
    public List<StreamEvent> token(GenerationEvent.Token token) {
        var events = new ArrayList<StreamEvent>(1);
        if (token.parts().isEmpty()) {
            add(new AnswerPart.Content(token.text()), events);
        } else {
            token.parts().forEach(part -> add(part, events));
        }
        return events;
    }

    private void add(AnswerPart part, List<StreamEvent> events) {
        switch (part) {
            case AnswerPart.Content(var text) -> {
                if (!text.isEmpty()) {
                    begin(Kind.TEXT, block("text", "text", ""), events);
                    delta("text_delta", "text", text, events);
                }
            }
            case AnswerPart.Reasoning(var text) -> {
                if (!text.isEmpty() && request.thinking().isOn()) {
                    begin(Kind.THINKING, block("thinking", "thinking", "", "signature", ""), events);
                    if (request.thinking().isShown()) {
                        delta("thinking_delta", "thinking", text, events);
                    }
                }
            }
            case AnswerPart.CallStart start -> {
                end(events);
                begin(Kind.TOOL_USE, call(start, Map.of()), events);
            }
            case AnswerPart.CallArguments(var _, var json) -> {
                if (!json.isEmpty()) {
                    delta("input_json_delta", "partial_json", json, events);
                }
            }
        }
    }

    /// A block begins, unless one of its type is open.
    private void begin(Kind kind, Map<String, ?> block, List<StreamEvent> events) {
        if (kind == open) {
            return;
        }
        end(events);
        open = kind;
        index++;
        events.add(StreamEvent.named("content_block_start", indexed("content_block", block)));
    }

    private void delta(String type, String member, String text, List<StreamEvent> events) {
        events.add(StreamEvent.named("content_block_delta", indexed("delta", block(type, member, text))));
    }

    /// The open block ends.
    private void end(List<StreamEvent> events) {
        if (open == null) {
            return;
        }
        if (open == Kind.THINKING) {
            delta("signature_delta", "signature", id, events);
        }
        open = null;
        events.add(StreamEvent.named("content_block_stop", Map.of("index", index)));
    }

    private Map<String, ?> indexed(String name, Object value) {
        var members = new LinkedHashMap<String, Object>();
        members.put("index", index);
        members.put(name, value);
        return members;
    }

    @Override
    public List<StreamEvent> finished(Ending ending) {
        var events = new ArrayList<StreamEvent>();
        ending.finished().parts().forEach(part -> add(part, events));
        end(events);
        var delta = new LinkedHashMap<String, Object>();
        delta.put("delta", end(ending.finished()));
        delta.put("usage", usage(ending));
        events.add(StreamEvent.named("message_delta", delta));
        events.add(StreamEvent.named("message_stop", Map.of()));
        return events;
    }

    @Override
    public StreamEvent failed(JsonError error) {
        return new StreamEvent("error", error.anthropicJson());
    }
}
