package dev.llmworker.serving.openai;

import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.ScoredToken;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Writes answers of `/v1/chat/completions`.
final class ChatWriter extends CompletionWriter {
    ChatWriter(CompletionRequest request, String modelId, long createdSeconds) {
        super(
                "chatcmpl-",
                request.stream() ? "chat.completion.chunk" : "chat.completion",
                modelId,
                createdSeconds,
                request.includeUsage());
    }

    @Override
    List<String> began(int choice) {
        var delta = new LinkedHashMap<String, Object>();
        delta.put("role", "assistant");
        delta.put("content", "");
        return List.of(event(choice, Map.of("delta", delta), null, null));
    }

    @Override
    Map<String, ?> piece(String text) {
        return Map.of("delta", Map.of("content", text));
    }

    @Override
    Map<String, ?> end() {
        return Map.of("delta", Map.of());
    }

    @Override
    Map<String, ?> whole(String text) {
        var message = new LinkedHashMap<String, @Nullable Object>();
        message.put("role", "assistant");
        message.put("content", text);
        message.put("refusal", null);
        return Map.of("message", message);
    }

    @Override
    Map<String, ?> logprobs(int choice, List<GenerationEvent.Token> tokens) {
        return Map.of("content", tokens.stream().map(ChatWriter::scores).toList());
    }

    private static Map<String, ?> scores(GenerationEvent.Token token) {
        var scores = score(token.scores().getFirst());
        scores.put(
                "top_logprobs",
                token.scores().stream().skip(1).map(ChatWriter::score).toList());
        return scores;
    }

    private static Map<String, Object> score(ScoredToken score) {
        var bytes = new int[score.bytes().length];
        for (var i = 0; i < bytes.length; i++) {
            bytes[i] = score.bytes()[i] & 0xff;
        }
        var members = new LinkedHashMap<String, Object>();
        members.put("token", shown(score, ""));
        members.put("logprob", finite(score.logprob()));
        members.put("bytes", bytes);
        return members;
    }
}
