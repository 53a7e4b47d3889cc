package dev.llmworker.remote;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent;
import java.io.IOException;
import java.util.BitSet;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Reads the events of one answer: what its text is, where it ends, and why.
///
/// Threading: one thread.
///
/// @param <E> its events
abstract class AnswerReader<E> {
    private static final String LAST = "[DONE]";
    private static final ObjectMapper JSON = new ObjectMapper();

    private final BitSet unfinished = new BitSet();
    private FinishReason reason = FinishReason.STOP;
    private @Nullable String failure;
    private int promptTokens;
    private int completionTokens = -1;
    private int emitted;
    private boolean last;

    /// @param choices that the answer has
    AnswerReader(int choices) {
        unfinished.set(0, choices);
    }

    /// Hands on what an event of the API carries.
    ///
    /// @param data the event as it came
    abstract void emit(JsonNode event, String data, Consumer<E> events);

    /// Reads one event.
    ///
    /// @return what the server says went wrong, where it says so
    /// @throws IOException when it is no event of the API
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
        if (event == null || !event.isObject()) {
            throw new IOException("an event is not a JSON object");
        }
        if (event.hasNonNull("error") || event.path("object").asText().equals("error")) {
            return Failure.reported(data);
        }
        var usage = event.path("usage");
        if (usage.isObject()) {
            promptTokens = usage.path("prompt_tokens").asInt();
            completionTokens = usage.path("completion_tokens").asInt();
        }
        for (var choice : event.path("choices")) {
            if (choice.path("finish_reason").isTextual()) {
                finished(choice.path("finish_reason").textValue());
                unfinished.clear(Math.max(0, choice.path("index").asInt()));
            }
        }
        emit(event, data, event1 -> {
            emitted++;
            events.accept(event1);
        });
        return null;
    }

    private void finished(String why) {
        switch (why) {
            case "length" -> reason = reason == FinishReason.ERROR ? reason : FinishReason.LENGTH;
            case "abort", "error" -> {
                reason = FinishReason.ERROR;
                failure = "the engine's server gave the answer up";
            }
            // Whatever else ends an answer, a call of a tool say, is an end that the model or its server chose.
            default -> {}
        }
    }

    /// Events handed on so far.
    final int emitted() {
        return emitted;
    }

    /// Whether the last event of all has come.
    final boolean isLast() {
        return last;
    }

    /// Whether all choices have ended, so that at most the usage is still to come.
    final boolean isComplete() {
        return last || unfinished.isEmpty();
    }

    final GenerationEvent.Finished finished() {
        return new GenerationEvent.Finished(reason, promptTokens, completionTokens(), failure);
    }

    /// Of an answer that did not come to its end.
    final GenerationEvent.Finished ended(FinishReason why, @Nullable String message) {
        return new GenerationEvent.Finished(why, promptTokens, completionTokens(), message);
    }

    private int completionTokens() {
        return completionTokens < 0 ? emitted : completionTokens;
    }
}
