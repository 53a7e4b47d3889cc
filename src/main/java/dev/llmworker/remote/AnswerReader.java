package dev.llmworker.remote;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.cfg.JsonNodeFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.BooleanNode;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.text.chat.AnswerPart;
import java.io.IOException;
import java.util.BitSet;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Reads the events of one answer: its text, its end, and the reason for it.
///
/// Threading: one thread.
///
/// @param <E> the answer's events
abstract class AnswerReader<E> {
    private static final String LAST = "[DONE]";
    /// Each number can be written again with all its digits.
    private static final ObjectMapper JSON = JsonMapper.builder()
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .disable(JsonNodeFeature.STRIP_TRAILING_BIGDECIMAL_ZEROES)
            .build();

    private final BitSet unfinished = new BitSet();
    private final int choices;
    private FinishReason reason = FinishReason.STOP;
    private @Nullable String failure;
    private int promptTokens;
    private int completionTokens = -1;
    private int cachedTokens;
    private int reasoningTokens;
    private int emitted;
    private boolean last;

    /// @param choices the number of choices in the answer
    AnswerReader(int choices) {
        this.choices = choices;
        unfinished.set(0, choices);
    }

    /// Passes on the contents of an event.
    ///
    /// @param data the event as it came
    /// @throws IOException if it is not an event of the API
    abstract void emit(JsonNode event, String data, Consumer<E> events) throws IOException;

    /// Reads one event.
    ///
    /// @return the failure that the server reports, if it reports one
    /// @throws IOException if it is not an event of the API
    final @Nullable Failure read(String data, Consumer<E> events) throws IOException {
        if (data.strip().equals(LAST)) {
            last = true;
            return null;
        }
        JsonNode event;
        try {
            event = JSON.readTree(data);
        } catch (IOException _) {
            throw new IOException("an event is not JSON");
        }
        if (event == null || event.isNull()) {
            return null;
        }
        if (!event.isObject()) {
            throw new IOException("an event is not a JSON object");
        }
        if (isGiven(event.path("error")) || event.path("object").asText().equals("error")) {
            return Failure.reported(data);
        }
        var usage = event.path("usage");
        if (!event.path("choices").isArray() && !usage.isObject()) {
            // A heartbeat, or what else a server says of itself.
            return null;
        }
        if (usage.isObject()) {
            promptTokens = usage.path("prompt_tokens").asInt();
            completionTokens = usage.path("completion_tokens").asInt();
            cachedTokens =
                    usage.path("prompt_tokens_details").path("cached_tokens").asInt();
            reasoningTokens = usage.path("completion_tokens_details")
                    .path("reasoning_tokens")
                    .asInt();
        }
        for (var choice : event.path("choices")) {
            var index = choice.path("index").asInt();
            if (index < 0 || index >= choices) {
                throw new IOException("a choice has the index " + index + ", and the request has " + choices);
            }
            var why = choice.path("finish_reason").textValue();
            if (FinishReason.isGiven(why)) {
                finished(why);
                unfinished.clear(index);
            }
        }
        emit(event, data, event1 -> {
            emitted++;
            events.accept(event1);
        });
        return null;
    }

    /// Whether an event has an error. Some servers write the member into each event, and leave it empty.
    private static boolean isGiven(JsonNode error) {
        var isEmpty = error.isContainerNode() ? error.isEmpty() : error.asText().isBlank();
        return !isEmpty && !error.isNull() && !error.equals(BooleanNode.FALSE);
    }

    private void finished(String why) {
        switch (why) {
            case "length" -> reason = reason == FinishReason.ERROR ? reason : FinishReason.LENGTH;
            case "content_filter" -> reason = reason == FinishReason.STOP ? FinishReason.CONTENT_FILTER : reason;
            case "abort", "error" -> {
                reason = FinishReason.ERROR;
                failure = "the engine's server aborted the answer";
            }
            // Any other reason, such as a tool call, is an end that the model or its server chose.
            default -> {}
        }
    }

    /// How many tokens of the prompt the server had cached.
    final int cachedTokens() {
        return cachedTokens;
    }

    /// About how many bytes it holds back.
    long heldBytes() {
        return 0;
    }

    /// How many events were passed on.
    final int emitted() {
        return emitted;
    }

    /// Whether the last event of all has come.
    final boolean isLast() {
        return last;
    }

    /// Whether all choices have ended; only the usage may still come.
    final boolean isComplete() {
        return last || unfinished.isEmpty();
    }

    /// Why the answer has ended.
    FinishReason reason() {
        return reason;
    }

    /// What the end adds to the answer.
    ///
    /// @param why the answer ended
    List<AnswerPart> lastParts(FinishReason why) {
        return List.of();
    }

    /// Which stop sequence of the request ended the answer; null if none did, or if the server does not say.
    @Nullable
    String stopSequence() {
        return null;
    }

    /// What is wrong with the answer, for the client; null if nothing is.
    @Nullable
    String failure() {
        return failure;
    }

    final GenerationEvent.Finished finished() {
        var message = failure();
        return ended(message == null ? reason() : FinishReason.ERROR, message);
    }

    /// The last event of an answer, which ended for this reason.
    final GenerationEvent.Finished ended(FinishReason why, @Nullable String message) {
        return new GenerationEvent.Finished(
                why,
                promptTokens,
                completionTokens(),
                message,
                false,
                reasoningTokens,
                lastParts(why),
                why == FinishReason.STOP ? stopSequence() : null);
    }

    private int completionTokens() {
        return completionTokens < 0 ? emitted : completionTokens;
    }
}
