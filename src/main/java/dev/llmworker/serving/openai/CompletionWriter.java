package dev.llmworker.serving.openai;

import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.serving.delivery.WholeAnswer;
import dev.llmworker.serving.wire.Ending;
import dev.llmworker.serving.wire.EventWriter;
import dev.llmworker.serving.wire.Json;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.StreamEvent;
import dev.llmworker.text.chat.AnswerPart;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;

/// Writes one answer of OpenAI's API, as a whole or as events.
///
/// Threading: one thread at a time.
public abstract class CompletionWriter implements EventWriter {
    static final StreamEvent LAST_EVENT = StreamEvent.of("[DONE]");

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

    /// @param content the members that say what was generated
    /// @param reason why it ended; null if it goes on
    private static Map<String, @Nullable Object> choice(
            int index, Map<String, ?> content, @Nullable Object logprobs, @Nullable String reason) {
        var choice = new LinkedHashMap<String, @Nullable Object>();
        choice.put("index", index);
        choice.putAll(content);
        choice.put("logprobs", logprobs);
        choice.put("finish_reason", reason);
        return choice;
    }

    /// One event, which is of one choice.
    final StreamEvent event(int choice, Map<String, ?> content, @Nullable Object logprobs, @Nullable String reason) {
        var event = new LinkedHashMap<>(head);
        event.put("choices", List.of(choice(choice, content, logprobs, reason)));
        // If usage comes at the end, all events have the member.
        if (includeUsage) {
            event.put("usage", null);
        }
        return StreamEvent.of(Json.text(event));
    }

    /// The members of a choice that carry a part of the answer.
    abstract Map<String, ?> piece(AnswerPart part);

    /// The members of the last choice of a stream, which carries no text.
    abstract Map<String, ?> end();

    /// The members of the choice of a whole answer.
    abstract Map<String, ?> whole(WholeAnswer answer);

    /// Token counts.
    abstract Map<String, ?> usage(Ending all);

    /// Log-probabilities of tokens of a choice in their order.
    abstract Map<String, ?> logprobs(int choice, List<GenerationEvent.Token> tokens);

    /// The answer as a whole.
    ///
    /// @param choices in their order
    /// @param endings those of the choices
    /// @param all how they ended together
    final String answer(List<WholeAnswer> choices, List<Ending> endings, Ending all, boolean logprobs) {
        var list = new ArrayList<Map<String, @Nullable Object>>();
        for (var index = 0; index < choices.size(); index++) {
            var choice = choices.get(index);
            var scores = logprobs ? logprobs(index, choice.scored()) : null;
            list.add(choice(index, whole(choice), scores, endings.get(index).openAiReason()));
        }
        var answer = new LinkedHashMap<>(head);
        answer.put("choices", list);
        answer.put("usage", usage(all));
        return Json.text(answer);
    }

    /// Sent when a choice is accepted.
    List<StreamEvent> began(int choice) {
        return List.of();
    }

    final List<StreamEvent> token(int choice, GenerationEvent.Token token) {
        var scored = !token.scores().isEmpty();
        var parts = token.parts();
        // A token that adds nothing to see needs no event.
        if (parts.isEmpty() && (scored || !token.text().isEmpty())) {
            parts = List.of(new AnswerPart.Content(token.text()));
        }
        var events = new ArrayList<StreamEvent>(1);
        for (var part : parts) {
            var scores = scored && events.isEmpty() ? logprobs(choice, List.of(token)) : null;
            events.add(event(choice, piece(part), scores, null));
        }
        return events;
    }

    /// Sent when a choice has ended.
    final List<StreamEvent> finished(int choice, Ending ending) {
        var events = new ArrayList<StreamEvent>(1);
        for (var part : ending.finished().parts()) {
            events.add(event(choice, piece(part), null, null));
        }
        events.add(event(choice, end(), null, ending.openAiReason()));
        return events;
    }

    @Override
    public final List<StreamEvent> finished(Ending all) {
        if (!includeUsage) {
            return List.of(LAST_EVENT);
        }
        var usage = new LinkedHashMap<>(head);
        usage.put("choices", List.of());
        usage.put("usage", usage(all));
        return List.of(StreamEvent.of(Json.text(usage)), LAST_EVENT);
    }

    @Override
    public final StreamEvent failed(JsonError error) {
        return StreamEvent.of(error.openAiJson());
    }
}
