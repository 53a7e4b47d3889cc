package dev.llmworker.remote;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.generation.ScoredToken;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/// Parses log-probabilities in both formats of OpenAI's API.
final class Scores {
    private Scores() {}

    /// The scores of each token in a piece of text: the token's own first, then those of the likeliest. Empty if
    /// there are none.
    static List<List<ScoredToken>> read(JsonNode logprobs) {
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
