package dev.llmworker.engine;

import dev.llmworker.generation.ScoredToken;
import dev.llmworker.sampling.Logprobs;
import dev.llmworker.text.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Converts log-probabilities of token ids into [ScoredToken]s.
///
/// Threading: any thread.
final class TokenScorer {
    private final Tokenizer tokenizer;
    private final Map<Integer, String> controlNames = new HashMap<>();

    TokenScorer(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
        tokenizer.controlTokens().forEach((name, id) -> controlNames.put(id, name));
    }

    /// The sampled token first, then the likeliest.
    List<ScoredToken> scores(int sampled, Logprobs logprobs) {
        var scores = new ArrayList<ScoredToken>(1 + logprobs.ids().length);
        scores.add(scored(sampled, logprobs.chosen()));
        for (var i = 0; i < logprobs.ids().length; i++) {
            scores.add(scored(logprobs.ids()[i], logprobs.likeliest()[i]));
        }
        return scores;
    }

    /// The bytes of a token; a control token's name.
    byte[] bytes(int id) {
        var name = controlNames.get(id);
        return name == null ? tokenizer.bytes(id) : name.getBytes(StandardCharsets.UTF_8);
    }

    private ScoredToken scored(int id, float logprob) {
        var bytes = bytes(id);
        return new ScoredToken(new String(bytes, StandardCharsets.UTF_8), bytes, logprob);
    }
}
