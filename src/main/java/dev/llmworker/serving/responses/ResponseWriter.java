package dev.llmworker.serving.responses;

import com.fasterxml.jackson.databind.util.RawValue;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent.Token;
import dev.llmworker.generation.memory.HeldMemory;
import dev.llmworker.serving.wire.Ending;
import dev.llmworker.serving.wire.EventWriter;
import dev.llmworker.serving.wire.Json;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.StreamEvent;
import dev.llmworker.text.answer.AnswerPart;
import dev.llmworker.text.chat.ChatMessage;
import dev.llmworker.text.tools.ToolCall;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// Writes one response: its items grow with the tokens, and a stream gets an event for each piece. A whole answer is
/// put together in the same way, without the events.
///
/// Threading: the request's thread, except [#json] and [#steer]. Whoever sends events of [#steering] lets nobody else
/// send any meanwhile.
final class ResponseWriter implements EventWriter.OfTokens {
    /// The text while it grows, and what is made of it at the end: the response, the items and turns that are kept,
    /// and the event that is being sent.
    private static final long BYTES_PER_CHARACTER = 16;
    /// How often the scores of a token are there as JSON at a time.
    private static final long SCORE_COPIES = 4;
    /// A score as JSON, beside its text, and a character or byte of it.
    private static final long SCORE_BYTES = 160;
    private static final long SCORE_BYTES_PER_CHARACTER = 12;
    private static final long ITEM_BYTES = 1024;
    private static final String COMPLETED = "completed";
    private static final String INCOMPLETE = "incomplete";
    private static final String CANCELLED = "cancelled";

    private final String id = ResponseId.of("resp_");
    private final ResponseRequest request;
    private final String modelId;
    private final long createdSeconds;
    private final HeldMemory held;
    private final @Nullable String streamId;
    private final Keeper keeper;
    private final List<OutputItem> items = new ArrayList<>();
    /// By their numbers among the calls. Another server may write several side by side.
    private final Map<Integer, OutputItem> calls = new HashMap<>();
    /// Tokens with scores of which nothing is written yet: their text comes with the next ones, or they are a marker.
    private final List<Token> waiting = new ArrayList<>(0);
    private List<Supplier<StreamEvent>> events = new ArrayList<>();
    private @Nullable OutputItem open;
    private boolean isAccepted;
    private boolean isCut;
    /// Whether it was to be stored, and is not.
    private boolean isLost;
    private String status = "in_progress";
    private int sequence;
    private volatile boolean steered;

    /// Keeps a response that has ended, before its client learns of the end.
    interface Keeper {
        /// @param id of the response
        /// @param stored null if it is not to be stored
        /// @param turns the conversation with the response at its end; null if nothing may follow it
        ResponseStore.End ended(String id, ResponseStore.@Nullable Stored stored, @Nullable List<ChatMessage> turns);
    }

    /// @param held counts the answer, and what is made of it, until it is sent
    /// @param streamId each event has it; null for none
    ResponseWriter(
            ResponseRequest request,
            String modelId,
            long createdSeconds,
            HeldMemory held,
            @Nullable String streamId,
            Keeper keeper) {
        this.request = request;
        this.modelId = modelId;
        this.createdSeconds = createdSeconds;
        this.held = held;
        this.streamId = streamId;
        this.keeper = keeper;
    }

    String id() {
        return id;
    }

    String modelId() {
        return modelId;
    }

    /// The answer ends before its next item, unless it has calls.
    void steer() {
        steered = true;
    }

    /// Whether it has ended so.
    boolean isCut() {
        return isCut;
    }

    boolean isAccepted() {
        return isAccepted;
    }

    /// Whether a client has cancelled it.
    boolean isCancelled() {
        return status.equals(CANCELLED);
    }

    // --- the response

    /// A response that goes on, or was cancelled.
    ///
    /// Threading: any thread.
    String json(String status) {
        return Json.text(response(status, null, List.of(), null, null));
    }

    /// About how many bytes [#json] takes.
    long shownBytes() {
        return request.echoedBytes();
    }

    private Map<String, @Nullable Object> response(
            String status,
            @Nullable String incomplete,
            List<?> output,
            @Nullable Object usage,
            @Nullable Object error) {
        var response = new LinkedHashMap<String, @Nullable Object>();
        response.put("id", id);
        response.put("object", "response");
        response.put("created_at", createdSeconds);
        response.put("status", status);
        response.put("background", false);
        response.put("error", error);
        response.put("incomplete_details", incomplete == null ? null : Map.of("reason", incomplete));
        response.put("model", modelId);
        response.put("output", output);
        response.putAll(request.echo());
        if (isLost) {
            response.put("store", false);
        }
        response.put("usage", usage);
        return response;
    }

    private List<Map<String, ?>> output() {
        return items.stream().<Map<String, ?>>map(OutputItem::json).toList();
    }

    private String status(FinishReason reason) {
        if (isCut) {
            return INCOMPLETE;
        }
        return switch (reason) {
            case STOP, TOOL_CALLS -> COMPLETED;
            case LENGTH -> request.generates() ? INCOMPLETE : COMPLETED;
            case TIMEOUT, CONTENT_FILTER -> INCOMPLETE;
            case CANCELLED -> CANCELLED;
            case ERROR -> throw new IllegalStateException("an answer that failed has no status but failed");
        };
    }

    private @Nullable String incomplete(String status, FinishReason reason) {
        if (!status.equals(INCOMPLETE)) {
            return null;
        }
        // Its clients know no reason for a deadline.
        return isCut ? "steered" : reason == FinishReason.CONTENT_FILTER ? "content_filter" : "max_output_tokens";
    }

    private Map<String, ?> usage(Ending ending) {
        var finished = ending.finished();
        var completion = request.generates() ? finished.completionTokens() : 0;
        var usage = new LinkedHashMap<String, Object>();
        usage.put("input_tokens", finished.promptTokens());
        usage.put(
                "input_tokens_details", Map.of("cached_tokens", ending.timings().cachedTokens()));
        usage.put("output_tokens", completion);
        usage.put("output_tokens_details", Map.of("reasoning_tokens", finished.reasoningTokens()));
        usage.put("total_tokens", finished.promptTokens() + completion);
        return usage;
    }

    /// The whole response, which is kept if it was asked for.
    String end(Ending ending) {
        for (var part : ending.finished().parts()) {
            if (!(part instanceof AnswerPart.Content)) {
                waiting.clear();
            }
            add(part);
        }
        score(open);
        var reason = ending.finished().reason();
        status = status(reason);
        var ofItems = isCut || status.equals(COMPLETED) ? COMPLETED : INCOMPLETE;
        items.forEach(item -> close(item, ofItems));
        var usage = usage(ending);
        var json = Json.text(response(status, incomplete(status, reason), output(), usage, null));
        var turns = hasEnded() ? turns() : null;
        var stored = turns != null && request.stores() ? stored(json, turns) : null;
        return switch (keeper.ended(id, stored, turns)) {
            case STORED -> json;
            case NOT_STORED -> {
                isLost = stored != null;
                yield isLost ? Json.text(response(status, incomplete(status, reason), output(), usage, null)) : json;
            }
            case CANCELLED -> {
                status = CANCELLED;
                yield Json.text(response(status, null, output(), usage, null));
            }
        };
    }

    /// Whether it has ended, and others may follow it.
    boolean hasEnded() {
        return status.equals(COMPLETED) || status.equals(INCOMPLETE);
    }

    private ResponseStore.Stored stored(String json, List<ChatMessage> turns) {
        var output = items.stream()
                .map(item -> new ResponseStore.Item(item.id, Json.text(item.json()), item.turn()))
                .toList();
        return new ResponseStore.Stored(id, json, request.input().items(), output, turns);
    }

    /// The conversation with this response at its end.
    List<ChatMessage> turns() {
        var turns = new ArrayList<>(request.input().turns());
        if (request.generates()) {
            turns.add(turn());
        }
        return turns;
    }

    private ChatMessage turn() {
        var text = new StringBuilder();
        var reasoning = new StringBuilder();
        var called = new ArrayList<ToolCall>(0);
        for (var item : items) {
            var turn = item.turn();
            text.append(turn.content());
            reasoning.append(turn.reasoning());
            called.addAll(turn.toolCalls());
        }
        return ChatMessage.assistant(text.toString(), reasoning.toString(), called);
    }

    /// The calls whose results the client has to send.
    List<OutputItem> calls() {
        return items.stream().filter(item -> !item.turn().toolCalls().isEmpty()).toList();
    }

    // --- the answer as events

    @Override
    public Iterable<StreamEvent> accepted(int promptTokens) {
        isAccepted = true;
        for (var name : List.of("response.created", "response.in_progress")) {
            emit(name, () -> Map.of("response", response(status, null, List.of(), null, null)));
        }
        return taken();
    }

    @Override
    public Iterable<StreamEvent> token(Token token) {
        if (!request.generates()) {
            return taken();
        }
        var parts = token.parts().stream().filter(part -> part.characters() > 0).toList();
        if (parts.isEmpty() && !token.text().isEmpty()) {
            parts = List.of(new AnswerPart.Content(token.text()));
        }
        var isScored = !token.scores().isEmpty();
        if (isScored) {
            held.take(token.heldBytes() + SCORE_COPIES * scoreBytes(token));
        }
        if (isScored && parts.isEmpty()) {
            waiting.add(token);
        }
        for (var part : parts) {
            if (!(part instanceof AnswerPart.Content)) {
                waiting.clear();
            } else if (isScored) {
                waiting.add(token);
                isScored = false;
            }
            add(part);
        }
        return taken();
    }

    private static long scoreBytes(Token token) {
        var bytes = 0L;
        for (var score : token.scores()) {
            bytes += SCORE_BYTES + SCORE_BYTES_PER_CHARACTER * (score.text().length() + score.bytes().length);
        }
        return bytes;
    }

    private void add(AnswerPart part) {
        if (isCut || !request.generates() || part.characters() == 0) {
            return;
        }
        held.take(BYTES_PER_CHARACTER * part.characters());
        switch (part) {
            case AnswerPart.Content(var text) -> grow(opened(OutputItem.Kind.MESSAGE), text);
            case AnswerPart.Reasoning(var text) -> grow(opened(OutputItem.Kind.REASONING), text);
            case AnswerPart.CallStart start -> {
                var item = begin(OutputItem.ofCall(items.size(), start));
                if (item != null) {
                    calls.put(start.index(), item);
                }
            }
            case AnswerPart.CallArguments(var call, var json) -> grow(calls.get(call), json);
        }
    }

    private @Nullable OutputItem opened(OutputItem.Kind kind) {
        var current = open;
        return current != null && current.kind == kind
                ? current
                : begin(OutputItem.of(kind, items.size(), request.encrypts()));
    }

    /// Begins an item. Calls stay open to the end, because more of their arguments may come.
    ///
    /// @return null if the answer is to end before it
    private @Nullable OutputItem begin(OutputItem item) {
        if (steered && !items.isEmpty() && calls.isEmpty()) {
            isCut = true;
            return null;
        }
        held.take(ITEM_BYTES);
        if (open != null) {
            close(open, COMPLETED);
        }
        open = item.kind == OutputItem.Kind.CALL ? null : item;
        items.add(item);
        emit("response.output_item.added", item::added);
        if (item.kind != OutputItem.Kind.CALL) {
            emit("response.content_part.added", () -> item.inPart("part", item.part("", List.of())));
        }
        return item;
    }

    private void grow(@Nullable OutputItem item, String more) {
        if (item == null) {
            return;
        }
        item.text.append(more);
        var scores = score(item);
        emit(item.kind.event + ".delta", () -> {
            var delta = item.inPart("delta", more);
            if (item.kind == OutputItem.Kind.MESSAGE) {
                delta.put("logprobs", OutputItem.logprobs(scores));
            }
            return delta;
        });
    }

    /// The tokens that wait belong to this message.
    private List<Token> score(@Nullable OutputItem item) {
        if (item == null || item.kind != OutputItem.Kind.MESSAGE) {
            return List.of();
        }
        var scores = List.copyOf(waiting);
        item.scored.addAll(scores);
        waiting.clear();
        return scores;
    }

    private void close(OutputItem item, String status) {
        if (!item.isOpen()) {
            return;
        }
        item.status = status;
        emit(item.kind.event + ".done", () -> {
            var done = item.inPart(item.kind == OutputItem.Kind.CALL ? "arguments" : "text", item.text.toString());
            switch (item.kind) {
                case MESSAGE -> done.put("logprobs", OutputItem.logprobs(item.scored));
                case CALL -> done.put("name", item.name);
                case REASONING -> {}
            }
            return done;
        });
        if (item.kind != OutputItem.Kind.CALL) {
            emit("response.content_part.done", () -> item.inPart("part", item.part(item.text.toString(), item.scored)));
        }
        emit("response.output_item.done", () -> item.inOutput("item", item.json()));
    }

    @Override
    public Iterable<StreamEvent> finished(Ending ending) {
        var json = end(ending);
        var name = status.equals(COMPLETED) ? COMPLETED : INCOMPLETE;
        emit("response." + name, () -> Map.of("response", new RawValue(json)));
        return taken();
    }

    /// On a WebSocket, [#socketError] says that a response was not accepted.
    @Override
    public StreamEvent failed(JsonError error) {
        events.clear();
        if (!isAccepted) {
            return plain(error);
        }
        items.stream().filter(OutputItem::isOpen).forEach(item -> item.status = INCOMPLETE);
        var said = Map.of("code", error.status() < 500 ? "invalid_prompt" : "server_error", "message", error.message());
        return event("response.failed", Map.of("response", response("failed", null, output(), null, said)));
    }

    private StreamEvent plain(JsonError error) {
        var members = new LinkedHashMap<String, @Nullable Object>();
        members.put("code", error.code());
        members.put("message", error.message());
        members.put("param", error.parameter());
        return event("error", members);
    }

    /// What a WebSocket gets of a request that is not served.
    static StreamEvent socketError(JsonError error, @Nullable String streamId) {
        var members = new LinkedHashMap<String, Object>();
        members.put("type", "error");
        members.put("status", error.status());
        if (streamId != null) {
            members.put("stream_id", streamId);
        }
        var opening = Json.text(members);
        return new StreamEvent(
                "error",
                opening.substring(0, opening.length() - 1) + ","
                        + error.openAiJson().substring(1));
    }

    /// An event about messages that steer the response.
    StreamEvent steering(String name, Map<String, ?> members) {
        return event("response.steer." + name, members);
    }

    private void emit(String name, Supplier<Map<String, ?>> members) {
        if (request.stream()) {
            events.add(() -> event(name, members.get()));
        }
    }

    private StreamEvent event(String name, Map<String, ?> members) {
        var numbered = new LinkedHashMap<String, @Nullable Object>(members);
        numbered.put("sequence_number", sequence++);
        if (streamId != null) {
            numbered.put("stream_id", streamId);
        }
        return StreamEvent.named(name, numbered);
    }

    /// The events so far, each of which is written when the one before it has been sent: the last ones all have the
    /// whole text.
    private Iterable<StreamEvent> taken() {
        var taken = events;
        events = new ArrayList<>(1);
        return () -> taken.stream().map(Supplier::get).iterator();
    }
}
