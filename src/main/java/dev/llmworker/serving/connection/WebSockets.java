package dev.llmworker.serving.connection;

import dev.llmworker.serving.access.ApiKeys;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/// The WebSockets that are open, of all routes. Pings those that are quiet, and closes those whose client is gone or
/// does not go on with what it began.
///
/// Threading: any thread.
public final class WebSockets {
    public static final int GOING_AWAY = 1001;
    static final int POLICY = 1008;
    static final int INTERNAL_ERROR = 1011;
    public static final int SERVICE_RESTART = 1012;
    public static final int TRY_AGAIN_LATER = 1013;
    public static final String OUT_OF_MEMORY = "the requests under way hold all the memory of MEMORY_BUDGET";

    private static final long LOOK_MILLIS = 1_000;

    private final ConnectionClock clock;
    private final Timeouts timeouts;
    private final int limit;
    private final Set<WebSocketConnection> open = ConcurrentHashMap.newKeySet();
    private volatile boolean leaving;

    /// @param limit the most that may be open
    public WebSockets(ConnectionClock clock, Timeouts timeouts, int limit) {
        this.clock = clock;
        this.timeouts = timeouts;
        this.limit = limit;
        clock.every(LOOK_MILLIS, this::look);
    }

    /// The signs of life of one more connection.
    public KeepAlive newKeepAlive() {
        return new KeepAlive(clock::nowMillis);
    }

    public boolean isFull() {
        return open.size() >= limit;
    }

    public int limit() {
        return limit;
    }

    public boolean isEmpty() {
        return open.isEmpty();
    }

    public void opened(WebSocketConnection connection) {
        open.add(connection);
        // Handshakes are checked one by one, and several may pass together.
        if (open.size() > limit) {
            connection.close(TRY_AGAIN_LATER, "the worker has " + limit + " WebSockets, which is the limit");
        } else if (leaving) {
            leave(connection);
        }
    }

    public void closed(WebSocketConnection connection) {
        open.remove(connection);
    }

    private void look(long nowMillis) {
        for (var connection : open) {
            switch (connection.keepAlive().look(nowMillis, timeouts)) {
                case WELL -> {}
                case TO_PING -> connection.ping();
                case GONE ->
                    connection.close(
                            POLICY, "no pong came for " + timeouts.pong().toSeconds() + " s");
                case TOO_SLOW ->
                    connection.close(
                            POLICY,
                            "a message must be there within " + timeouts.body().toSeconds() + " s");
            }
        }
    }

    /// Closes each as soon as it has no answer to give.
    public void leave() {
        leaving = true;
        open.forEach(WebSockets::leave);
    }

    private static void leave(WebSocketConnection connection) {
        connection.leave(GOING_AWAY, "the worker is shutting down");
    }

    /// Closes those whose key is good no more.
    public void closeRevoked(ApiKeys keys) {
        for (var connection : open) {
            var key = connection.key();
            if (key != null && !keys.has(key)) {
                connection.close(POLICY, "the API key is no longer valid");
            }
        }
    }
}
