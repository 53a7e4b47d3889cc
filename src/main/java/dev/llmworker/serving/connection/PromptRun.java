package dev.llmworker.serving.connection;

import dev.llmworker.generation.Answer;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// One prompt of a WebSocket, from when it is taken to its end.
///
/// Threading: any thread.
public final class PromptRun {
    private final Consumer<PromptRun> release;
    private @Nullable Answer<?> answer;
    private boolean over;

    /// @param release forgets it
    PromptRun(Consumer<PromptRun> release) {
        this.release = release;
    }

    /// It runs no more, and its id is free. Called before its client is told.
    public void release() {
        release.accept(this);
    }

    /// Names the answer that ends with it.
    public void began(Answer<?> begun) {
        synchronized (this) {
            answer = begun;
            if (!over) {
                return;
            }
        }
        begun.close();
    }

    /// Ends its answer, now or when it begins.
    void end() {
        Answer<?> begun;
        synchronized (this) {
            over = true;
            begun = answer;
        }
        if (begun != null) {
            begun.close();
        }
    }
}
