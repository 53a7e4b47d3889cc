package dev.llmworker.serving.openai;

import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.serving.delivery.WholeAnswer;
import dev.llmworker.serving.wire.Ending;
import dev.llmworker.serving.wire.StreamEvent;
import dev.llmworker.serving.wire.TokenScores;
import dev.llmworker.text.chat.AnswerPart;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Writes answers of `/v1/chat/completions`.
final class ChatWriter extends CompletionWriter {
    private static final String REASONING = "reasoning_content";
    private static final String CALLS = "tool_calls";

    ChatWriter(CompletionRequest request, String modelId, long createdSeconds) {
        super(
                "chatcmpl-",
                request.stream() ? "chat.completion.chunk" : "chat.completion",
                modelId,
                createdSeconds,
                request.includeUsage());
    }

    @Override
    List<StreamEvent> began(int choice) {
        var delta = new LinkedHashMap<String, Object>();
        delta.put("role", "assistant");
        delta.put("content", "");
        return List.of(event(choice, Map.of("delta", delta), null, null));
    }

    @Override
    Map<String, ?> piece(AnswerPart part) {
        return Map.of("delta", delta(part));
    }

    private static Map<String, ?> delta(AnswerPart part) {
        return switch (part) {
            case AnswerPart.Content(var text) -> Map.of("content", text);
            case AnswerPart.Reasoning(var text) -> Map.of(REASONING, text);
            case AnswerPart.CallStart(var index, var id, var name) -> {
                var call = new LinkedHashMap<String, Object>();
                call.put("index", index);
                call.putAll(call(id, name, ""));
                yield Map.of(CALLS, List.of(call));
            }
            case AnswerPart.CallArguments(var index, var json) -> {
                var call = new LinkedHashMap<String, Object>();
                call.put("index", index);
                call.put("function", Map.of("arguments", json));
                yield Map.of(CALLS, List.of(call));
            }
        };
    }

    private static Map<String, ?> call(String id, String name, String arguments) {
        var function = new LinkedHashMap<String, Object>();
        function.put("name", name);
        function.put("arguments", arguments);
        var call = new LinkedHashMap<String, Object>();
        call.put("id", id);
        call.put("type", "function");
        call.put("function", function);
        return call;
    }

    @Override
    Map<String, ?> end() {
        return Map.of("delta", Map.of());
    }

    @Override
    Map<String, ?> whole(WholeAnswer answer) {
        var calls = answer.calls();
        var message = new LinkedHashMap<String, @Nullable Object>();
        message.put("role", "assistant");
        message.put("content", answer.text().isEmpty() && !calls.isEmpty() ? null : answer.text());
        message.put("refusal", null);
        // Clients that know neither do not see them in answers that have neither.
        if (!answer.reasoning().isEmpty()) {
            message.put(REASONING, answer.reasoning());
        }
        if (!calls.isEmpty()) {
            message.put(
                    CALLS,
                    calls.stream()
                            .map(call -> call(call.id(), call.name(), call.arguments()))
                            .toList());
        }
        return Map.of("message", message);
    }

    @Override
    Map<String, ?> usage(Ending all) {
        return all.usageWithReasoning();
    }

    @Override
    Map<String, ?> logprobs(int choice, List<GenerationEvent.Token> tokens) {
        return Map.of("content", tokens.stream().map(TokenScores::of).toList());
    }
}
