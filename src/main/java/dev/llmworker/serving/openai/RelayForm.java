package dev.llmworker.serving.openai;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.serving.wire.Details;
import dev.llmworker.serving.wire.EventForm;
import dev.llmworker.serving.wire.JsonError;
import java.util.BitSet;
import java.util.List;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Streams the events of another server of OpenAI's API as they are. Where an answer is ended here, by its deadline
/// say,
/// the events that end it are made in the form of those before.
///
/// Threading: one answer, one thread.
final class RelayForm implements EventForm {
    private static final String DONE = "[DONE]";
    private static final Pattern REASON = Pattern.compile("\"finish_reason\"\\s*:\\s*\"");

    private final boolean includeUsage;
    private final BitSet unfinished = new BitSet();
    private @Nullable String last;

    /// @param choices that the answer has
    /// @param includeUsage whether the client wants the event that counts tokens, which is always asked for
    RelayForm(int choices, boolean includeUsage) {
        this.includeUsage = includeUsage;
        unfinished.set(0, choices);
    }

    @Override
    public List<String> began() {
        return List.of();
    }

    @Override
    public List<String> token(GenerationEvent.Token token) {
        throw new IllegalStateException("a relayed request is answered by chunks");
    }

    @Override
    public List<String> chunk(GenerationEvent.Chunk chunk) {
        if (chunk.isUsage()) {
            return includeUsage ? List.of(chunk.json()) : List.of();
        }
        last = chunk.json();
        if (REASON.matcher(chunk.json()).find()) {
            ChunkAssembler.finishedChoices(chunk.json()).forEach(unfinished::clear);
        }
        return List.of(chunk.json());
    }

    @Override
    public List<String> finished(GenerationEvent.Finished finished) {
        if (finished.reason() == FinishReason.STOP || finished.reason() == FinishReason.LENGTH) {
            return List.of(DONE);
        }
        var before = last;
        return before == null
                ? List.of(failed(RelayedCompletion.unanswered(finished)))
                : List.of(ChunkAssembler.ending(before, unfinished, Details.reason(finished)), DONE);
    }

    @Override
    public String failed(JsonError error) {
        return error.openAiJson();
    }
}
