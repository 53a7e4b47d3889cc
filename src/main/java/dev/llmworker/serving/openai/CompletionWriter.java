package dev.llmworker.serving.openai;

import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.ScoredToken;
import dev.llmworker.serving.delivery.WholeAnswer;
import dev.llmworker.serving.wire.Ending;
import dev.llmworker.serving.wire.EventWriter;
import dev.llmworker.serving.wire.Json;
import dev.llmworker.serving.wire.JsonError;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;

/// Writes one answer of OpenAI's API, as a whole or as events.
///
/// Threading: one answer, one thread.
public abstract class CompletionWriter implements EventWriter.OfTokens {
    static final String LAST_EVENT = "[DONE]";
    private static final float LEAST_LOGPROB = -9999;

    private final Map<String, Object> head = new LinkedHashMap<>();
    private final boolean includeUsage;

    /// @param idPrefix of the answer's id, which is random
    /// @param object what the answer or each of its events is: `chat.completion`
    CompletionWriter(String idPrefix, String object, String modelId, long createdSeconds, boolean includeUsage) {
        head.put(
                "id",
                idPrefix
                        + HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextLong()));
        head.put("object", object);
        head.put("created", createdSeconds);
        head.put("model", modelId);
        this.includeUsage = includeUsage;
    }

    /// An answer or event with its one choice.
    ///
    /// @param content the members that say what was generated
    /// @param reason why it ended; null if it goes on
    private Map<String, Object> answer(Map<String, ?> content, @Nullable Object logprobs, @Nullable String reason) {
        var choice = new LinkedHashMap<String, @Nullable Object>();
        choice.put("index", 0);
        choice.putAll(content);
        choice.put("logprobs", logprobs);
        choice.put("finish_reason", reason);
        var answer = new LinkedHashMap<>(head);
        answer.put("choices", List.of(choice));
        return answer;
    }

    /// One event with its choice.
    final String event(Map<String, ?> content, @Nullable Object logprobs, @Nullable String reason) {
        var event = answer(content, logprobs, reason);
        // If usage comes at the end, all events have the member.
        if (includeUsage) {
            event.put("usage", null);
        }
        return Json.text(event);
    }

    /// The members of a choice that carry a piece of text.
    abstract Map<String, ?> piece(String text);

    /// The members of the last choice of a stream, which carries no text.
    abstract Map<String, ?> end();

    /// The members of the choice of a whole answer.
    abstract Map<String, ?> whole(String text);

    /// Log-probabilities of tokens in their order.
    abstract Map<String, ?> logprobs(List<GenerationEvent.Token> tokens);

    /// The answer as a whole.
    final String answer(WholeAnswer answer, Ending ending, boolean logprobs) {
        var whole = answer(whole(answer.text()), logprobs ? logprobs(answer.scored()) : null, ending.openAiReason());
        whole.put("usage", ending.usage());
        return Json.text(whole);
    }

    @Override
    public final List<String> token(GenerationEvent.Token token) {
        var scored = !token.scores().isEmpty();
        // A token that adds nothing to see needs no event.
        if (token.text().isEmpty() && !scored) {
            return List.of();
        }
        return List.of(event(piece(token.text()), scored ? logprobs(List.of(token)) : null, null));
    }

    @Override
    public final List<String> finished(Ending ending) {
        var last = event(end(), null, ending.openAiReason());
        if (!includeUsage) {
            return List.of(last, LAST_EVENT);
        }
        var usage = new LinkedHashMap<>(head);
        usage.put("choices", List.of());
        usage.put("usage", ending.usage());
        return List.of(last, Json.text(usage), LAST_EVENT);
    }

    @Override
    public final String failed(JsonError error) {
        return error.openAiJson();
    }

    /// A token's text. The bytes of one that is part of a character are written like those of Python: `\xe2\x80`.
    ///
    /// @param prefix of a text that has such bytes
    static String shown(ScoredToken token, String prefix) {
        var bytes = token.bytes();
        return new String(bytes, StandardCharsets.UTF_8).indexOf('\uFFFD') < 0 ? token.text() : prefix + escaped(bytes);
    }

    /// Printable ASCII as it is, all other bytes as `\xNN`.
    static String escaped(byte[] bytes) {
        var escaped = new StringBuilder();
        for (var value : bytes) {
            if (value >= ' ' && value < 0x7f && value != '\\') {
                escaped.append((char) value);
            } else {
                escaped.append("\\x").append(HexFormat.of().toHexDigits(value));
            }
        }
        return escaped.toString();
    }

    /// A log-probability that JSON can write: it has no infinity.
    static float finite(float logprob) {
        return logprob > LEAST_LOGPROB ? Math.min(logprob, 0f) : LEAST_LOGPROB;
    }
}
