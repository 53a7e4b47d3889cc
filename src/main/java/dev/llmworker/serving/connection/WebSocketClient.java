package dev.llmworker.serving.connection;

import dev.llmworker.serving.access.ApiKey;
import dev.llmworker.serving.memory.MemoryBudget;
import org.jspecify.annotations.Nullable;

/// The client of one message on a WebSocket.
///
/// @param isAdmitted whether the message came before the worker began to stop
/// @param memory of the message; whoever keeps parts of it takes this over
/// @param cancellation the moment when the client cancels what the message asks for
public record WebSocketClient(
        WebSocketConnection connection, boolean isAdmitted, MemoryBudget.Lease memory, Departure cancellation)
        implements Client {
    public WebSocketClient(WebSocketConnection connection, boolean isAdmitted, MemoryBudget.Lease memory) {
        this(connection, isAdmitted, memory, new Departure());
    }

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

    @Override
    public boolean cancel() {
        if (isGone()) {
            return false;
        }
        cancellation.happen(() -> {});
        return true;
    }
}
