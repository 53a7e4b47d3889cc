package dev.llmworker.serving.delivery;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.serving.wire.Ending;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestException;
import java.util.ArrayList;
import java.util.List;

/// Collects an answer that is sent as a whole.
///
/// Threading: the request's thread.
public final class WholeAnswer implements Choices.Reader {
    /// The text, and its JSON.
    public static final long BYTES_PER_CHARACTER = 4;

    private final Caller caller;
    private final StringBuilder text = new StringBuilder();
    private final List<GenerationEvent.Token> scored = new ArrayList<>(0);
    private long scoredBytes;

    public WholeAnswer(Caller caller) {
        this.caller = caller;
    }

    /// Runs a generation to its end.
    ///
    /// @throws RequestException if the engine failed, or the worker stops
    public Ending run(Generations generations, GenerationRequest request) {
        var ending = generations.run(request, caller, this);
        if (ending.finished().reason() == FinishReason.ERROR) {
            throw new RequestException(JsonError.failed(ending.finished()));
        }
        return ending;
    }

    @Override
    public boolean token(GenerationEvent.Token token) {
        text.append(token.text());
        if (!token.scores().isEmpty()) {
            scored.add(token);
            scoredBytes += token.heldBytes();
        }
        return !caller.client().isGone();
    }

    @Override
    public long keptBytes() {
        return BYTES_PER_CHARACTER * text.length() + scoredBytes;
    }

    public String text() {
        return text.toString();
    }

    /// The tokens that have scores.
    public List<GenerationEvent.Token> scored() {
        return scored;
    }
}
