package dev.llmworker.serving.openai;

import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.serving.delivery.WholeAnswer;
import dev.llmworker.serving.wire.Details;
import dev.llmworker.serving.wire.EventForm;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.JsonText;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ThreadLocalRandom;

/// How one answer of OpenAI's API is written, as a whole or as events.
///
/// Threading: one answer, one thread.
public abstract class CompletionForm implements EventForm {
    static final String LAST_EVENT = "[DONE]";

    private final String head;
    private final boolean includeUsage;

    /// @param idPrefix of the answer's id, which is random
    /// @param object what the answer or each of its events is: `chat.completion`
    CompletionForm(String idPrefix, String object, String modelId, long createdSeconds, boolean includeUsage) {
        var json = new StringBuilder("{\"id\":\"").append(idPrefix);
        HexFormat.of()
                .toHexDigits(ThreadLocalRandom.current().nextLong())
                .chars()
                .forEach(c -> json.append((char) c));
        json.append("\",\"object\":\"").append(object).append("\",\"created\":").append(createdSeconds);
        json.append(",\"model\":\"");
        JsonText.escape(modelId, json);
        head = json.append("\",\"choices\":[").toString();
        this.includeUsage = includeUsage;
    }

    /// An answer or event with its one choice.
    ///
    /// @param content the members that say what was generated
    /// @param logprobs JSON; `null` for none
    /// @param reason JSON; `null` where it goes on
    private StringBuilder choice(String content, String logprobs, String reason) {
        return new StringBuilder(head.length() + content.length() + logprobs.length() + 64)
                .append(head)
                .append("{\"index\":0,")
                .append(content)
                .append(",\"logprobs\":")
                .append(logprobs)
                .append(",\"finish_reason\":")
                .append(reason)
                .append("}]");
    }

    /// One event with its choice.
    final String event(String content, String logprobs, String reason) {
        // Where usage comes at the end, all events have the member.
        return choice(content, logprobs, reason)
                .append(includeUsage ? ",\"usage\":null}" : "}")
                .toString();
    }

    /// The members of a choice that carry a piece of text.
    abstract String piece(String text);

    /// The members of the last choice of a stream, which carries no text.
    abstract String end();

    /// The members of the choice of a whole answer.
    abstract String whole(String text);

    /// Log-probabilities as JSON, of tokens in their order.
    abstract String logprobs(List<GenerationEvent.Token> tokens);

    /// The answer as a whole.
    final String answer(WholeAnswer answer, GenerationEvent.Finished finished, boolean logprobs) {
        return choice(whole(answer.text()), logprobs ? logprobs(answer.scored()) : "null", reason(finished))
                .append(",\"usage\":")
                .append(usage(finished))
                .append('}')
                .toString();
    }

    @Override
    public final List<String> token(GenerationEvent.Token token) {
        var scored = !token.scores().isEmpty();
        // A token that adds nothing to see needs no event.
        if (token.text().isEmpty() && !scored) {
            return List.of();
        }
        return List.of(event(piece(token.text()), scored ? logprobs(List.of(token)) : "null", "null"));
    }

    @Override
    public final List<String> finished(GenerationEvent.Finished finished) {
        var last = event(end(), "null", reason(finished));
        return includeUsage
                ? List.of(last, head + "],\"usage\":" + usage(finished) + "}", LAST_EVENT)
                : List.of(last, LAST_EVENT);
    }

    @Override
    public final String failed(JsonError error) {
        return error.openAiJson();
    }

    private static String reason(GenerationEvent.Finished finished) {
        return '"' + Details.reason(finished) + '"';
    }

    private static String usage(GenerationEvent.Finished finished) {
        return String.format(
                Locale.ROOT,
                "{\"prompt_tokens\":%d,\"completion_tokens\":%d,\"total_tokens\":%d}",
                finished.promptTokens(),
                finished.completionTokens(),
                finished.promptTokens() + finished.completionTokens());
    }

    /// A log-probability as JSON, which has no infinity.
    static String number(float logprob) {
        return logprob > -9999 ? Float.toString(Math.min(logprob, 0f)) : "-9999.0";
    }
}
