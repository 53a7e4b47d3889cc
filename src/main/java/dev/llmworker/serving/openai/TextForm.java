package dev.llmworker.serving.openai;

import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.ScoredToken;
import dev.llmworker.serving.wire.JsonText;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Collectors;

/// Answers of `/v1/completions`.
final class TextForm extends CompletionForm {
    /// Characters of the answer before the tokens whose scores are written next.
    private int offset;

    TextForm(CompletionRequest request, String modelId, long createdSeconds) {
        super("cmpl-", "text_completion", modelId, createdSeconds, request.includeUsage());
    }

    @Override
    public List<String> began() {
        return List.of();
    }

    @Override
    String piece(String text) {
        return "\"text\":" + JsonText.quoted(text);
    }

    @Override
    String end() {
        return piece("");
    }

    @Override
    String whole(String text) {
        return piece(text);
    }

    @Override
    String logprobs(List<GenerationEvent.Token> tokens) {
        var offsets = new StringBuilder();
        for (var token : tokens) {
            offsets.append(offsets.isEmpty() ? "" : ",").append(offset);
            offset += token.text().length();
        }
        return "{\"tokens\":"
                + list(tokens, token -> JsonText.quoted(chosen(token).text()))
                + ",\"token_logprobs\":"
                + list(tokens, token -> number(chosen(token).logprob()))
                + ",\"top_logprobs\":" + list(tokens, TextForm::likeliest)
                + ",\"text_offset\":[" + offsets + "]}";
    }

    private static ScoredToken chosen(GenerationEvent.Token token) {
        return token.scores().getFirst();
    }

    private static String list(List<GenerationEvent.Token> tokens, Function<GenerationEvent.Token, String> json) {
        return tokens.stream().map(json).collect(Collectors.joining(",", "[", "]"));
    }

    /// By their texts; of several tokens with one text, which are parts of characters, the likeliest.
    private static String likeliest(GenerationEvent.Token token) {
        var logprobs = new LinkedHashMap<String, Float>();
        token.scores().stream().skip(1).forEach(score -> logprobs.putIfAbsent(score.text(), score.logprob()));
        return logprobs.entrySet().stream()
                .map(entry -> JsonText.quoted(entry.getKey()) + ":" + number(entry.getValue()))
                .collect(Collectors.joining(",", "{", "}"));
    }
}
