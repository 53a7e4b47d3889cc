package dev.llmworker.serving.openai;

import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.ScoredToken;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Writes answers of `/v1/completions`.
final class TextWriter extends CompletionWriter {
    /// Characters of the answer before the tokens whose scores are written next.
    private int offset;

    TextWriter(CompletionRequest request, String modelId, long createdSeconds) {
        super("cmpl-", "text_completion", modelId, createdSeconds, request.includeUsage());
    }

    @Override
    Map<String, ?> piece(String text) {
        return Map.of("text", text);
    }

    @Override
    Map<String, ?> end() {
        return piece("");
    }

    @Override
    Map<String, ?> whole(String text) {
        return piece(text);
    }

    @Override
    Map<String, ?> logprobs(List<GenerationEvent.Token> tokens) {
        var offsets = new ArrayList<Integer>();
        for (var token : tokens) {
            offsets.add(offset);
            offset += token.text().length();
        }
        var members = new LinkedHashMap<String, Object>();
        members.put("tokens", tokens.stream().map(token -> chosen(token).text()).toList());
        members.put(
                "token_logprobs",
                tokens.stream().map(token -> finite(chosen(token).logprob())).toList());
        members.put("top_logprobs", tokens.stream().map(TextWriter::likeliest).toList());
        members.put("text_offset", offsets);
        return members;
    }

    private static ScoredToken chosen(GenerationEvent.Token token) {
        return token.scores().getFirst();
    }

    /// By their texts. If several tokens have one text, because they are parts of characters, the likeliest.
    private static Map<String, Float> likeliest(GenerationEvent.Token token) {
        var logprobs = new LinkedHashMap<String, Float>();
        token.scores().stream().skip(1).forEach(score -> logprobs.putIfAbsent(score.text(), finite(score.logprob())));
        return logprobs;
    }
}
