package dev.llmworker.serving.connection;

import dev.llmworker.serving.access.ApiKey;
import org.jspecify.annotations.Nullable;

/// The client of one message on a WebSocket.
///
/// @param isAdmitted whether the message came before the worker began to stop
public record WebSocketClient(WebSocketConnection connection, boolean isAdmitted) implements Client {
    @Override
    public String requestId() {
        return connection.requestId();
    }

    @Override
    public @Nullable ApiKey key() {
        return connection.key();
    }

    @Override
    public boolean isGone() {
        return connection.isClosed();
    }

    @Override
    public Departure.Watch onGone(Runnable task) {
        return connection.onGone(task);
    }
}
