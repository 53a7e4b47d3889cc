package dev.llmworker.serving.openai;

import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.ScoredToken;
import dev.llmworker.serving.wire.JsonText;
import java.util.List;
import java.util.stream.Collectors;

/// Answers of `/v1/chat/completions`.
final class ChatForm extends CompletionForm {
    ChatForm(CompletionRequest request, String modelId, long createdSeconds) {
        super(
                "chatcmpl-",
                request.stream() ? "chat.completion.chunk" : "chat.completion",
                modelId,
                createdSeconds,
                request.includeUsage());
    }

    @Override
    public List<String> began() {
        return List.of(event("\"delta\":{\"role\":\"assistant\",\"content\":\"\"}", "null", "null"));
    }

    @Override
    String piece(String text) {
        return "\"delta\":{\"content\":" + JsonText.quoted(text) + "}";
    }

    @Override
    String end() {
        return "\"delta\":{}";
    }

    @Override
    String whole(String text) {
        return "\"message\":{\"role\":\"assistant\",\"content\":" + JsonText.quoted(text) + ",\"refusal\":null}";
    }

    @Override
    String logprobs(List<GenerationEvent.Token> tokens) {
        return tokens.stream().map(ChatForm::scores).collect(Collectors.joining(",", "{\"content\":[", "]}"));
    }

    private static String scores(GenerationEvent.Token token) {
        var scores = token.scores();
        var top = scores.stream().skip(1).map(score -> score(score) + "}").collect(Collectors.joining(","));
        return score(scores.getFirst()) + ",\"top_logprobs\":[" + top + "]}";
    }

    private static String score(ScoredToken score) {
        var bytes = new StringBuilder();
        for (var value : score.bytes()) {
            bytes.append(bytes.isEmpty() ? "" : ",").append(value & 0xff);
        }
        return "{\"token\":" + JsonText.quoted(score.text()) + ",\"logprob\":" + number(score.logprob())
                + ",\"bytes\":[" + bytes + "]";
    }
}
