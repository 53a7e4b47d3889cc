package dev.llmworker.serving.delivery;

import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.OpenAiRequest;
import dev.llmworker.generation.Prompt;
import dev.llmworker.text.chat.ChatMessage;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// About how many tokens a request takes, before any is known: a token for each four characters of the prompt,
/// and up to [#MOST_OF_ANSWER] of the answer. Clients that set a high `max_tokens` seldom get that many.
///
/// @param answers how many answers are made together; 0 if nothing is generated
record ExpectedTokens(long prompt, long answer, int answers) {
    static final ExpectedTokens NONE = new ExpectedTokens(0, 0, 0);
    static final int MOST_OF_ANSWER = GenerationRequest.DEFAULT_MAX_TOKENS;
    private static final int CHARACTERS = 4;

    static ExpectedTokens of(GenerationRequest request) {
        var texts = switch (request.prompt()) {
            case Prompt.Raw(var text) -> Stream.of(text);
            case Prompt.Chat chat -> chat.messages().stream().flatMap(ChatMessage::texts);
        };
        var parts = request.parts();
        var tools = parts == null
                ? 0
                : parts.tools().offered().stream()
                        .mapToLong(tool -> tool.parameters().length())
                        .sum();
        return of(texts.mapToLong(String::length).sum() + tools, Math.min(request.tokenLimit(), MOST_OF_ANSWER), 1);
    }

    /// @throws dev.llmworker.sampling.ParameterException if it asks for too many choices
    static ExpectedTokens of(OpenAiRequest request) {
        var body = request.body();
        var characters = Stream.of("messages", "prompt", "tools")
                .mapToLong(name -> characters(body.get(name)))
                .sum();
        var each = Stream.of("max_completion_tokens", "max_tokens")
                .map(body::get)
                .filter(Number.class::isInstance)
                .mapToLong(value -> Math.clamp(((Number) value).longValue(), 1, MOST_OF_ANSWER))
                .findFirst()
                .orElse(MOST_OF_ANSWER);
        return of(characters, each * request.choices(), request.choices());
    }

    /// Of texts whose vectors are wanted.
    static ExpectedTokens of(List<TextVectors.Input> inputs) {
        var characters = inputs.stream()
                .mapToLong(input -> switch (input) {
                    case TextVectors.Text(var _, var text) -> text.length();
                    case TextVectors.Tokens(var _, var ids) -> (long) ids.size() * CHARACTERS;
                })
                .sum();
        return of(characters, 0, 1);
    }

    /// Of documents that are scored, each with the question.
    static ExpectedTokens of(String question, List<String> documents) {
        var characters = documents.stream().mapToLong(String::length).sum();
        return of(characters + (long) question.length() * documents.size(), 0, 1);
    }

    private static ExpectedTokens of(long characters, long answer, int answers) {
        return new ExpectedTokens(Math.max(1, characters / CHARACTERS), answer, answers);
    }

    /// A token that is given by its id counts as one.
    private static long characters(@Nullable Object json) {
        return switch (json) {
            case String text -> text.length();
            case Number _ -> CHARACTERS;
            case Map<?, ?> object -> sum(object.values());
            case Collection<?> list -> sum(list);
            case null, default -> 0;
        };
    }

    private static long sum(Collection<?> values) {
        return values.stream().mapToLong(ExpectedTokens::characters).sum();
    }

    /// Of a further answer to a prompt that has been counted.
    ExpectedTokens withoutPrompt() {
        return new ExpectedTokens(0, answer, answers);
    }
}
