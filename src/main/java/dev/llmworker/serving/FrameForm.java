package dev.llmworker.serving;

import dev.llmworker.generation.GenerationEvent;
import java.util.List;

/// The frames of the WebSocket as server-sent events.
final class FrameForm implements EventForm {
    private final boolean details;
    private final long beganNanos = System.nanoTime();
    private long firstTokenNanos = -1;
    private int frames;

    /// @param details whether the last frame says more than the number of tokens
    FrameForm(boolean details) {
        this.details = details;
    }

    @Override
    public List<String> began() {
        return List.of();
    }

    @Override
    public List<String> token(GenerationEvent.Token token) {
        if (firstTokenNanos < 0) {
            firstTokenNanos = System.nanoTime() - beganNanos;
        }
        frames++;
        return List.of(JsonText.tokenFrame(token.text(), token.index()));
    }

    @Override
    public List<String> finished(GenerationEvent.Finished finished) {
        var done = JsonText.doneFrame(frames);
        if (!details) {
            return List.of(done);
        }
        var more = new Details(finished, firstTokenNanos, System.nanoTime() - beganNanos).json();
        return List.of(done.substring(0, done.length() - 1) + ',' + more + '}');
    }

    @Override
    public String failed(JsonError error) {
        return error.json();
    }
}
