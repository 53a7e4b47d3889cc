package dev.llmworker.serving.openai;

import dev.llmworker.generation.RelayEvent;
import dev.llmworker.serving.wire.Ending;
import dev.llmworker.serving.wire.EventWriter;
import dev.llmworker.serving.wire.Json;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.StreamEvent;
import dev.llmworker.serving.wire.UsesRegex;
import java.util.BitSet;
import java.util.List;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Streams the events of another server of OpenAI's API unchanged. If the answer is ended here, by its deadline for
/// example, the last events are made like those before.
///
/// Threading: one answer, one thread.
@UsesRegex("chunks of the engine; possessive, so it takes linear time")
final class RelayWriter implements EventWriter {
    private static final Pattern REASON = Pattern.compile("\"finish_reason\"\\s*+:\\s*+\"");

    private final boolean includeUsage;
    private final BitSet unfinished = new BitSet();
    private @Nullable String last;

    /// @param choices that the answer has
    /// @param includeUsage whether the client wants the event that counts tokens, which is always asked for
    RelayWriter(int choices, boolean includeUsage) {
        this.includeUsage = includeUsage;
        unfinished.set(0, choices);
    }

    List<StreamEvent> chunk(RelayEvent.Chunk chunk) {
        var json = Json.sound(chunk.json());
        if (chunk.isUsage()) {
            return includeUsage ? List.of(StreamEvent.of(json)) : List.of();
        }
        last = json;
        if (REASON.matcher(json).find()) {
            ChunkAssembler.finishedChoices(json).forEach(unfinished::clear);
        }
        return List.of(StreamEvent.of(json));
    }

    @Override
    public List<StreamEvent> finished(Ending ending) {
        if (!ending.isCut()) {
            return List.of(CompletionWriter.LAST_EVENT);
        }
        var before = last;
        return before == null
                ? List.of(failed(RelayedCompletion.unanswered(ending.finished())))
                : List.of(
                        StreamEvent.of(ChunkAssembler.ending(before, unfinished, ending.openAiReason())),
                        CompletionWriter.LAST_EVENT);
    }

    @Override
    public StreamEvent failed(JsonError error) {
        return StreamEvent.of(error.openAiJson());
    }
}
