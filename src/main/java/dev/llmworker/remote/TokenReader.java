package dev.llmworker.remote;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.generation.AnswerParts;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.ScoredToken;
import dev.llmworker.text.WholeCharacters;
import dev.llmworker.text.chat.AnswerPart;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Converts the text of the first choice to tokens. A piece of text counts as one token, because servers do not
/// report token boundaries. If there are scores, they give the boundaries. Reasoning and calls of tools are tokens of
/// their own if the request asks for parts; otherwise they are left out.
final class TokenReader extends AnswerReader<GenerationEvent> {
    /// Servers have one of these.
    private static final List<String> REASONING = List.of("reasoning_content", "reasoning");

    private final WholeCharacters characters = new WholeCharacters();
    private final WholeCharacters thoughts = new WholeCharacters();
    private final @Nullable AnswerParts parts;
    private final CallReader calls;
    private int index;

    /// @param parts null if the request asks for none
    TokenReader(@Nullable AnswerParts parts) {
        super(1);
        this.parts = parts;
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
                    emit(reasoning(message), events);
                }
                emit(
                        text.isTextual() ? characters.push(text.textValue()) : "",
                        scores(choice.path("logprobs")),
                        events);
                if (parts != null && !parts.tools().offered().isEmpty()) {
                    emit(calls.read(message), events);
                }
            }
        }
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
            events.accept(new GenerationEvent.Token(index++, "", List.of(), parts));
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
    List<AnswerPart> lastParts() {
        return calls.end();
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
