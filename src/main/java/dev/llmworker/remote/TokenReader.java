package dev.llmworker.remote;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.ScoredToken;
import dev.llmworker.text.WholeCharacters;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/// Converts the text of the first choice to tokens. A piece of text counts as one token, because servers do not
/// report token boundaries. If there are scores, they give the boundaries.
final class TokenReader extends AnswerReader<GenerationEvent> {
    private final WholeCharacters characters = new WholeCharacters();
    private int index;

    TokenReader() {
        super(1);
    }

    @Override
    void emit(JsonNode event, String data, Consumer<GenerationEvent> events) {
        for (var choice : event.path("choices")) {
            if (choice.path("index").asInt() == 0) {
                // Chat has the text in `delta`. A model's reasoning is in other members, and is left out.
                var text = choice.has("delta") ? choice.path("delta").path("content") : choice.path("text");
                emit(
                        text.isTextual() ? characters.push(text.textValue()) : "",
                        scores(choice.path("logprobs")),
                        events);
            }
        }
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
