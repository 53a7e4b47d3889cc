package dev.llmworker.remote;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.generation.AnswerParts;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.HeldEvent;
import dev.llmworker.generation.ScoredToken;
import dev.llmworker.text.WholeCharacters;
import dev.llmworker.text.chat.AnswerPart;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// Converts the text of the first choice to tokens. A piece of text counts as one token, because servers do not
/// report token boundaries. If there are scores, they give the boundaries. Reasoning and calls of tools are tokens of
/// their own if the request asks for parts; otherwise they are left out.
final class TokenReader extends AnswerReader<GenerationEvent> {
    /// Servers have one of these.
    private static final List<String> REASONING = List.of("reasoning_content", "reasoning");
    /// What vLLM and SGLang call the stop sequence that ended the answer.
    private static final List<String> STOPS = List.of("stop_reason", "matched_stop");

    private final WholeCharacters characters = new WholeCharacters();
    private final WholeCharacters thoughts = new WholeCharacters();
    private final @Nullable AnswerParts parts;
    private final CallReader calls;
    private final List<String> stops;
    /// What follows a call that is not complete yet. It is passed on after the call.
    private final List<AnswerPart> late = new ArrayList<>(0);

    private int lateCharacters;
    private @Nullable String stop;
    private int index;

    /// @param parts null if the request asks for none
    /// @param stops the stop sequences of the request
    TokenReader(@Nullable AnswerParts parts, List<String> stops) {
        super(1);
        this.parts = parts;
        this.stops = stops;
        calls = new CallReader(parts != null && !parts.tools().parallel() ? 1 : CallReader.MAX_CALLS);
    }

    @Override
    void emit(JsonNode event, String data, Consumer<GenerationEvent> events) throws IOException {
        for (var choice : event.path("choices")) {
            if (choice.path("index").asInt() == 0) {
                // A chat has pieces of a message, or all of it in one event.
                var message = choice.has("delta") ? choice.path("delta") : choice.path("message");
                var text = choice.has("text") ? choice.path("text") : message.path("content");
                if (parts != null) {
                    for (var thought : reasoning(message)) {
                        pass(thought, events);
                    }
                }
                var content = text.isTextual() ? characters.push(text.textValue()) : "";
                var scores = scores(choice.path("logprobs"));
                if (scores.isEmpty() && !content.isEmpty() && calls.isWithin()) {
                    hold(new AnswerPart.Content(content));
                } else {
                    emit(content, scores, events);
                }
                if (parts != null && !parts.tools().offered().isEmpty()) {
                    emit(calls.read(message), events);
                    if (!calls.isWithin()) {
                        emit(takeLate(), events);
                    }
                }
                for (var name : STOPS) {
                    // The id of a stop token is a number.
                    var given = choice.path(name).textValue();
                    if (given != null && stops.contains(given)) {
                        stop = given;
                    }
                }
            }
        }
    }

    private void pass(AnswerPart part, Consumer<GenerationEvent> events) throws IOException {
        if (calls.isWithin()) {
            hold(part);
        } else {
            emit(List.of(part), events);
        }
    }

    /// @throws IOException if too much is held back
    private void hold(AnswerPart part) throws IOException {
        late.add(part);
        lateCharacters += part.characters();
        if (lateCharacters > CallReader.MAX_HELD) {
            throw new IOException(
                    "more than " + CallReader.MAX_HELD + " characters follow a call of a tool that is not complete");
        }
    }

    @Override
    long heldBytes() {
        return HeldEvent.OBJECT_BYTES * late.size()
                + HeldEvent.CHARACTER_BYTES * (lateCharacters + calls.heldCharacters());
    }

    private List<AnswerPart> takeLate() {
        var taken = List.copyOf(late);
        late.clear();
        lateCharacters = 0;
        return taken;
    }

    private List<AnswerPart> reasoning(JsonNode message) {
        for (var name : REASONING) {
            if (message.path(name).isTextual()) {
                var text = thoughts.push(message.path(name).textValue());
                return text.isEmpty() ? List.of() : List.of(new AnswerPart.Reasoning(text));
            }
        }
        return List.of();
    }

    private void emit(List<AnswerPart> parts, Consumer<GenerationEvent> events) {
        if (!parts.isEmpty()) {
            var text = parts.stream()
                    .filter(AnswerPart.Content.class::isInstance)
                    .map(part -> ((AnswerPart.Content) part).text())
                    .collect(Collectors.joining());
            events.accept(new GenerationEvent.Token(index++, text, List.of(), parts));
        }
    }

    /// Some servers say `stop` of an answer that calls tools.
    @Override
    FinishReason reason() {
        return super.reason() == FinishReason.STOP && calls.hasCalls() ? FinishReason.TOOL_CALLS : super.reason();
    }

    /// A server may ignore that a call is required.
    @Override
    @Nullable
    String failure() {
        var isMissing = parts != null && parts.tools().isRequired() && reason() == FinishReason.STOP;
        return isMissing ? "tool_choice requires a call, and the engine's server wrote none" : super.failure();
    }

    @Override
    List<AnswerPart> lastParts(FinishReason why) {
        var all = new ArrayList<>(calls.end(why == FinishReason.STOP || why == FinishReason.TOOL_CALLS));
        all.addAll(takeLate());
        return all;
    }

    @Override
    @Nullable
    String stopSequence() {
        return stop;
    }

    private void emit(String text, List<List<ScoredToken>> scores, Consumer<GenerationEvent> events) {
        if (scores.size() < 2) {
            if (!text.isEmpty() || !scores.isEmpty()) {
                events.accept(token(text, scores.isEmpty() ? List.of() : scores.getFirst()));
            }
            return;
        }
        // The tokens' own texts make up the whole text, unless one ends within a character. Then the first token
        // carries all of it.
        var parts = new StringBuilder();
        scores.forEach(token -> parts.append(token.getFirst().text()));
        var separate = parts.toString().equals(text);
        for (var i = 0; i < scores.size(); i++) {
            var token = scores.get(i);
            events.accept(token(separate ? token.getFirst().text() : i == 0 ? text : "", token));
        }
    }

    private GenerationEvent.Token token(String text, List<ScoredToken> scores) {
        return new GenerationEvent.Token(index++, text, scores);
    }

    /// The scores of each token in a piece of text: the token's own first, then those of the likeliest. Empty if
    /// there are none.
    private static List<List<ScoredToken>> scores(JsonNode logprobs) {
        return logprobs.path("content").isArray() ? chat(logprobs.path("content")) : text(logprobs);
    }

    /// `{"content":[{"token","logprob","bytes","top_logprobs":[…]}]}`
    private static List<List<ScoredToken>> chat(JsonNode content) {
        var tokens = new ArrayList<List<ScoredToken>>(content.size());
        for (var entry : content) {
            var token = new ArrayList<ScoredToken>();
            token.add(score(entry));
            entry.path("top_logprobs").forEach(other -> token.add(score(other)));
            tokens.add(token);
        }
        return tokens;
    }

    private static ScoredToken score(JsonNode entry) {
        var text = entry.path("token").asText();
        var list = entry.path("bytes");
        if (!list.isArray()) {
            return score(text, entry.path("logprob"));
        }
        var bytes = new byte[list.size()];
        for (var i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) list.get(i).asInt();
        }
        return new ScoredToken(text, bytes, entry.path("logprob").floatValue());
    }

    /// `{"tokens":[…],"token_logprobs":[…],"top_logprobs":[{"text":logprob}]}`
    private static List<List<ScoredToken>> text(JsonNode logprobs) {
        var tokens = new ArrayList<List<ScoredToken>>(0);
        var texts = logprobs.path("tokens");
        for (var i = 0; i < texts.size(); i++) {
            var token = new ArrayList<ScoredToken>();
            token.add(
                    score(texts.get(i).asText(), logprobs.path("token_logprobs").path(i)));
            logprobs.path("top_logprobs")
                    .path(i)
                    .properties()
                    .forEach(entry -> token.add(score(entry.getKey(), entry.getValue())));
            tokens.add(token);
        }
        return tokens;
    }

    private static ScoredToken score(String text, JsonNode logprob) {
        return new ScoredToken(text, text.getBytes(StandardCharsets.UTF_8), logprob.floatValue());
    }
}
