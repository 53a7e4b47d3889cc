package dev.llmworker.serving.wire;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The frames of the WebSocket, there and as server-sent events.
public final class FrameForm implements EventForm {
    private final boolean details;
    private final String opening;
    private final long beganNanos = System.nanoTime();
    private long firstTokenNanos = -1;
    private int frames;

    /// @param details whether the last frame says more than the number of tokens
    public FrameForm(boolean details) {
        this(details, null);
    }

    /// @param id as JSON, which each frame carries; null for none
    public FrameForm(boolean details, @Nullable String id) {
        this.details = details;
        this.opening = id == null ? "{" : "{\"id\":" + id + ',';
    }

    @Override
    public List<String> began() {
        return List.of();
    }

    @Override
    public List<String> token(GenerationEvent.Token token) {
        return List.of(frame(token));
    }

    public String frame(GenerationEvent.Token token) {
        if (firstTokenNanos < 0) {
            firstTokenNanos = System.nanoTime() - beganNanos;
        }
        frames++;
        return JsonText.tokenFrame(opening, token.text(), token.index());
    }

    @Override
    public List<String> finished(GenerationEvent.Finished finished) {
        return List.of(done(finished));
    }

    /// The frame that ends a generation. Clients that ask for no more are told its reason only where they cancelled it.
    public String done(GenerationEvent.Finished finished) {
        var done = opening + "\"done\":true,\"total_tokens\":" + frames;
        if (details) {
            return done + ',' + new Details(finished, firstTokenNanos, System.nanoTime() - beganNanos).json() + '}';
        }
        return finished.reason() == FinishReason.CANCELLED
                ? done + ",\"finish_reason\":\"" + Details.reason(finished) + "\"}"
                : done + '}';
    }

    @Override
    public String failed(JsonError error) {
        return opening + error.json().substring(1);
    }
}
