package dev.llmworker.serving.connection;

import dev.llmworker.serving.access.ApiKey;
import java.util.Map;
import org.apache.camel.Exchange;
import org.jspecify.annotations.Nullable;

/// Who waits for what an exchange brings. It travels with the exchange as one property, because many steps,
/// `convertBodyTo` among them, replace the message that knows the response.
///
/// Threading: any thread.
public sealed interface Client permits HttpClient, WebSocketClient, Client.Nobody {
    String PROPERTY = "llmworker.client";

    /// The client of an exchange: [Nobody] if the exchange came from a queue, a folder or a timer.
    static Client of(Exchange exchange) {
        var client = exchange.getProperty(PROPERTY, Client.class);
        return client == null ? Nobody.INSTANCE : client;
    }

    default void travelWith(Exchange exchange) {
        exchange.setProperty(PROPERTY, this);
    }

    /// The id in the answer's `X-Request-Id`, for a WebSocket that of its handshake; empty for nobody.
    String requestId();

    /// The API key that the request came with; null if it came with none.
    @Nullable
    ApiKey key();

    /// Names the API key in logs and metrics; null if the request came with none.
    default @Nullable String keyLabel() {
        var key = key();
        return key == null ? null : key.label();
    }

    /// Tells clients with different API keys apart, so that none learns from the time of its answers what another one
    /// asked.
    default String cacheSalt() {
        var key = key();
        return key == null ? "" : key.hash();
    }

    /// Adds headers to the answer, if it has any and has not begun.
    default void say(Map<String, String> headers) {}

    /// Whether the port let the request in before the worker began to stop. Such a request is still answered. What
    /// comes from a queue or a folder is not, and waits there for another worker.
    boolean isAdmitted();

    /// Whether the client has disconnected.
    boolean isGone();

    /// Runs `task` once the client disconnects, or now if it already has. A task may run twice.
    ///
    /// @return cancels that
    Departure.Watch onGone(Runnable task);

    /// The moment when the client cancels the request. It may still wait for what there is of the answer.
    Departure cancellation();

    /// The request is to end with what there is of its answer.
    ///
    /// @return false if it has been answered
    boolean cancel();

    /// Whether no more of the answer should be made: the client has disconnected, or has cancelled the request.
    default boolean isUnwanted() {
        return isGone() || cancellation().isOver();
    }

    /// As [#onGone], once no more of the answer should be made.
    default Departure.Watch onUnwanted(Runnable task) {
        var gone = onGone(task);
        var cancelled = cancellation().add(task);
        return () -> {
            gone.close();
            cancelled.close();
        };
    }

    /// No client waits: the exchange came from a queue, a folder or a timer.
    enum Nobody implements Client {
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

        @Override
        public Departure cancellation() {
            return new Departure();
        }

        @Override
        public boolean cancel() {
            return false;
        }
    }
}
