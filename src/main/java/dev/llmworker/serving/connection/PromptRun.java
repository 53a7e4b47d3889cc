package dev.llmworker.serving.connection;

import dev.llmworker.generation.Generation;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// One prompt of a WebSocket, from when it is taken to its end.
///
/// Threading: any thread.
public final class PromptRun {
    private final Consumer<PromptRun> release;
    private @Nullable Generation generation;
    private boolean over;

    /// @param release forgets it
    PromptRun(Consumer<PromptRun> release) {
        this.release = release;
    }

    /// It runs no more, and its id is free. Called before its client is told.
    public void release() {
        release.accept(this);
    }

    /// Names the generation that ends with it.
    public void began(Generation begun) {
        synchronized (this) {
            generation = begun;
            if (!over) {
                return;
            }
        }
        begun.close();
    }

    /// Ends its generation, now or when it begins.
    void end() {
        Generation begun;
        synchronized (this) {
            over = true;
            begun = generation;
        }
        if (begun != null) {
            begun.close();
        }
    }
}
