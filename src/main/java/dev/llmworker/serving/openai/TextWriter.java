package dev.llmworker.serving.openai;

import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.ScoredToken;
import dev.llmworker.serving.delivery.WholeAnswer;
import dev.llmworker.serving.wire.Ending;
import dev.llmworker.serving.wire.TokenScores;
import dev.llmworker.text.chat.AnswerPart;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Writes answers of `/v1/completions`.
final class TextWriter extends CompletionWriter {
    /// Marks a key as bytes, for tokens that are part of a character.
    private static final String BYTES = "bytes:";

    /// Characters of each choice before the tokens whose scores are written next.
    private final int[] offsets;

    TextWriter(CompletionRequest request, String modelId, long createdSeconds) {
        super("cmpl-", "text_completion", modelId, createdSeconds, request.includeUsage());
        offsets = new int[request.choices()];
    }

    @Override
    Map<String, ?> piece(AnswerPart part) {
        return text(part instanceof AnswerPart.Content(var text) ? text : "");
    }

    private static Map<String, ?> text(String text) {
        return Map.of("text", text);
    }

    @Override
    Map<String, ?> end() {
        return text("");
    }

    @Override
    Map<String, ?> whole(WholeAnswer answer) {
        return text(answer.text());
    }

    @Override
    Map<String, ?> usage(Ending all) {
        return all.usage();
    }

    @Override
    Map<String, ?> logprobs(int choice, List<GenerationEvent.Token> tokens) {
        var begins = new ArrayList<Integer>();
        for (var token : tokens) {
            begins.add(offsets[choice]);
            offsets[choice] += token.text().length();
        }
        var members = new LinkedHashMap<String, Object>();
        members.put("tokens", tokens.stream().map(token -> key(chosen(token))).toList());
        members.put(
                "token_logprobs",
                tokens.stream()
                        .map(token -> TokenScores.finite(chosen(token).logprob()))
                        .toList());
        members.put("top_logprobs", tokens.stream().map(TextWriter::likeliest).toList());
        members.put("text_offset", begins);
        return members;
    }

    private static ScoredToken chosen(GenerationEvent.Token token) {
        return token.scores().getFirst();
    }

    private static String key(ScoredToken score) {
        return TokenScores.shown(score, BYTES);
    }

    /// The sampled token and the likeliest, by their texts.
    private static Map<String, Float> likeliest(GenerationEvent.Token token) {
        var logprobs = new LinkedHashMap<String, Float>();
        for (var score : token.scores()) {
            var logprob = TokenScores.finite(score.logprob());
            var before = logprobs.putIfAbsent(key(score), logprob);
            if (before != null && before != logprob) {
                // Another token of the same text.
                logprobs.putIfAbsent(BYTES + HexFormat.of().withPrefix("\\x").formatHex(score.bytes()), logprob);
            }
        }
        return logprobs;
    }
}
