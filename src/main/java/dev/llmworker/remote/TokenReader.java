package dev.llmworker.remote;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.ScoredToken;
import dev.llmworker.text.WholeCharacters;
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
                        Scores.read(choice.path("logprobs")),
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
}
