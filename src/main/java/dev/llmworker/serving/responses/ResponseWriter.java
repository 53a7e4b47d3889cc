package dev.llmworker.serving.responses;

import com.fasterxml.jackson.databind.util.RawValue;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.serving.wire.Ending;
import dev.llmworker.serving.wire.EventWriter;
import dev.llmworker.serving.wire.Json;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.StreamEvent;
import dev.llmworker.serving.wire.TokenScores;
import dev.llmworker.text.chat.AnswerPart;
import dev.llmworker.text.chat.ChatMessage;
import dev.llmworker.text.chat.ToolCall;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Writes one response: its items grow with the tokens, and a stream gets an event for each piece. A whole answer is
/// put together in the same way, without the events.
///
/// Threading: the request's thread, except [#json].
final class ResponseWriter implements EventWriter.OfTokens {
    private static final long BYTES_PER_CHARACTER = 4;
    private static final long SCORE_BYTES = 256;
    private static final long ITEM_BYTES = 512;

    private final String id = ResponseId.of("resp_");
    private final ResponseRequest request;
    private final String modelId;
    private final long createdSeconds;
    private final Keeper keeper;
    private final List<OutputItem> items = new ArrayList<>();
    /// Scores of tokens that completed no character: they come with the next ones.
    private final List<Map<String, ?>> waiting = new ArrayList<>(0);
    private List<StreamEvent> events = new ArrayList<>();
    private @Nullable OutputItem open;
    private boolean isAccepted;
    private int sequence;
    private long keptBytes;

    /// Keeps a response that has ended, before its client learns of the end.
    interface Keeper {
        void keep(ResponseStore.Stored stored);
    }

    ResponseWriter(ResponseRequest request, String modelId, long createdSeconds, Keeper keeper) {
        this.request = request;
        this.modelId = modelId;
        this.createdSeconds = createdSeconds;
        this.keeper = keeper;
    }

    String id() {
        return id;
    }

    long keptBytes() {
        return keptBytes;
    }

    // --- the response

    /// A response that goes on, or was cancelled.
    ///
    /// Threading: any thread.
    String json(String status) {
        return Json.text(response(status, List.of(), null, null));
    }

    private Map<String, @Nullable Object> response(
            String status, List<?> output, @Nullable Object usage, @Nullable Object error) {
        var response = new LinkedHashMap<String, @Nullable Object>();
        response.put("id", id);
        response.put("object", "response");
        response.put("created_at", createdSeconds);
        response.put("status", status);
        response.put("background", false);
        response.put("error", error);
        response.put("incomplete_details", status.equals("incomplete") ? Map.of("reason", "max_output_tokens") : null);
        response.put("model", modelId);
        response.put("output", output);
        response.putAll(request.echo());
        response.put("usage", usage);
        return response;
    }

    private List<Map<String, ?>> output() {
        return items.stream().<Map<String, ?>>map(OutputItem::json).toList();
    }

    private static String status(FinishReason reason) {
        return switch (reason) {
            case STOP, TOOL_CALLS -> "completed";
            // Its clients know no reason for a deadline.
            case LENGTH, TIMEOUT -> "incomplete";
            case CANCELLED -> "cancelled";
            case ERROR -> throw new IllegalStateException("an answer that failed has no status but failed");
        };
    }

    private static Map<String, ?> usage(Ending ending) {
        var finished = ending.finished();
        var usage = new LinkedHashMap<String, Object>();
        usage.put("input_tokens", finished.promptTokens());
        usage.put(
                "input_tokens_details", Map.of("cached_tokens", ending.timings().cachedTokens()));
        usage.put("output_tokens", finished.completionTokens());
        usage.put("output_tokens_details", Map.of("reasoning_tokens", finished.reasoningTokens()));
        usage.put("total_tokens", finished.promptTokens() + finished.completionTokens());
        return usage;
    }

    /// The whole response, which is kept if it was asked for.
    String end(Ending ending) {
        ending.finished().parts().forEach(part -> add(part, List.of()));
        var status = status(ending.finished().reason());
        close(status.equals("completed") ? "completed" : "incomplete");
        var json = Json.text(response(status, output(), usage(ending), null));
        if (request.stores() && !status.equals("cancelled")) {
            keep(json);
        }
        return json;
    }

    private void keep(String json) {
        var turns = new ArrayList<>(request.input().turns());
        turns.add(turn());
        var output = items.stream()
                .map(item -> new ResponseStore.Item(item.id, Json.text(item.json())))
                .toList();
        keeper.keep(new ResponseStore.Stored(id, json, request.input().items(), output, turns));
    }

    private ChatMessage turn() {
        var text = new StringBuilder();
        var reasoning = new StringBuilder();
        var calls = new ArrayList<ToolCall>(0);
        for (var item : items) {
            switch (item.kind) {
                case MESSAGE -> text.append(item.text);
                case REASONING -> reasoning.append(item.text);
                case CALL -> calls.add(item.call());
            }
        }
        return ChatMessage.assistant(text.toString(), reasoning.toString(), calls);
    }

    // --- the answer as events

    @Override
    public List<StreamEvent> accepted(int promptTokens) {
        isAccepted = true;
        for (var name : List.of("response.created", "response.in_progress")) {
            emit(name, Map.of("response", response("in_progress", List.of(), null, null)));
        }
        return taken();
    }

    @Override
    public List<StreamEvent> token(GenerationEvent.Token token) {
        var parts = token.parts();
        List<Map<String, ?>> scores = token.scores().isEmpty() ? List.of() : List.of(TokenScores.of(token));
        if (parts.isEmpty() && !token.text().isEmpty()) {
            parts = List.of(new AnswerPart.Content(token.text()));
        }
        if (parts.isEmpty() && open != null && open.kind == OutputItem.Kind.MESSAGE) {
            waiting.addAll(scores);
        }
        for (var part : parts) {
            add(part, scores);
            if (part instanceof AnswerPart.Content) {
                scores = List.of();
            }
        }
        return taken();
    }

    private void add(AnswerPart part, List<Map<String, ?>> scores) {
        keptBytes += BYTES_PER_CHARACTER * part.characters() + SCORE_BYTES * scores.size();
        switch (part) {
            case AnswerPart.Content(var text) -> {
                if (!text.isEmpty()) {
                    waiting.addAll(scores);
                    grow(opened(OutputItem.Kind.MESSAGE), text);
                }
            }
            case AnswerPart.Reasoning(var text) -> {
                if (!text.isEmpty()) {
                    grow(opened(OutputItem.Kind.REASONING), text);
                }
            }
            case AnswerPart.CallStart start -> begin(OutputItem.ofCall(items.size(), start));
            case AnswerPart.CallArguments(var _, var json) -> {
                if (!json.isEmpty() && open != null) {
                    grow(open, json);
                }
            }
        }
    }

    private OutputItem opened(OutputItem.Kind kind) {
        var current = open;
        return current != null && current.kind == kind
                ? current
                : begin(OutputItem.of(kind, items.size(), request.encrypts()));
    }

    private OutputItem begin(OutputItem item) {
        close("completed");
        keptBytes += ITEM_BYTES;
        open = item;
        items.add(item);
        emit("response.output_item.added", item.added());
        if (item.kind != OutputItem.Kind.CALL) {
            emit("response.content_part.added", item.inPart("part", item.part("", List.of())));
        }
        return item;
    }

    private void grow(OutputItem item, String more) {
        item.text.append(more);
        var delta = item.inPart("delta", more);
        if (item.kind == OutputItem.Kind.MESSAGE) {
            delta.put("logprobs", List.copyOf(waiting));
            item.scores.addAll(waiting);
            waiting.clear();
        }
        emit(item.kind.event + ".delta", delta);
    }

    /// The open item ends.
    private void close(String status) {
        var item = open;
        if (item == null) {
            return;
        }
        open = null;
        item.status = status;
        item.scores.addAll(waiting);
        waiting.clear();
        var text = item.text.toString();
        var done = item.inPart(item.kind == OutputItem.Kind.CALL ? "arguments" : "text", text);
        switch (item.kind) {
            case MESSAGE -> done.put("logprobs", item.scores);
            case CALL -> done.put("name", item.name);
            case REASONING -> {}
        }
        emit(item.kind.event + ".done", done);
        if (item.kind != OutputItem.Kind.CALL) {
            emit("response.content_part.done", item.inPart("part", item.part(text, item.scores)));
        }
        emit("response.output_item.done", item.inOutput("item", item.json()));
    }

    @Override
    public List<StreamEvent> finished(Ending ending) {
        var json = end(ending);
        var name = status(ending.finished().reason()).equals("completed") ? "completed" : "incomplete";
        emit("response." + name, Map.of("response", new RawValue(json)));
        return taken();
    }

    @Override
    public StreamEvent failed(JsonError error) {
        var members = new LinkedHashMap<String, @Nullable Object>();
        if (!isAccepted) {
            members.put("code", error.code());
            members.put("message", error.message());
            members.put("param", error.parameter());
            members.put("sequence_number", sequence++);
            return StreamEvent.named("error", members);
        }
        if (open != null) {
            open.status = "incomplete";
        }
        var said = Map.of("code", error.status() < 500 ? "invalid_prompt" : "server_error", "message", error.message());
        members.put("response", response("failed", output(), null, said));
        members.put("sequence_number", sequence++);
        return StreamEvent.named("response.failed", members);
    }

    private void emit(String name, Map<String, ?> members) {
        if (!request.stream()) {
            return;
        }
        var numbered = new LinkedHashMap<String, @Nullable Object>(members);
        numbered.put("sequence_number", sequence++);
        events.add(StreamEvent.named(name, numbered));
    }

    private List<StreamEvent> taken() {
        var taken = events;
        events = new ArrayList<>(1);
        return taken;
    }
}
