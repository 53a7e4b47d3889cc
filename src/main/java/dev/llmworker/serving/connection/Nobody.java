package dev.llmworker.serving.connection;

import dev.llmworker.serving.access.ApiKey;
import org.jspecify.annotations.Nullable;

/// No client waits: the exchange came from a queue, a folder or a timer.
public enum Nobody implements Client {
    INSTANCE;

    @Override
    public String requestId() {
        return "";
    }

    @Override
    public @Nullable ApiKey key() {
        return null;
    }

    @Override
    public boolean isAdmitted() {
        return false;
    }

    @Override
    public boolean isGone() {
        return false;
    }

    @Override
    public Departure.Watch onGone(Runnable task) {
        return () -> {};
    }
}
