package dev.llmworker.serving;

import io.vertx.core.Vertx;
import io.vertx.core.http.HttpConnection;
import io.vertx.core.http.HttpServerRequest;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// Cuts connections that take too long to send a request, or keep none under way. Vert.x's own idle time-outs look at
/// bytes alone and would also cut a generation that waits for its first token and a WebSocket that is quiet; here a
/// connection has a deadline only while it is the client's turn, and a WebSocket has none.
///
/// Threading: any thread.
final class SlowSenders {
    private static final long HEADER_MILLIS = 15_000;
    private static final long BODY_MILLIS = 60_000;
    // Longer than proxies keep idle connections, so that it is they who close and no request meets a closed one.
    private static final long IDLE_MILLIS = 180_000;
    private static final long SWEEP_MILLIS = 1_000;

    private final Map<HttpConnection, Turn> turns = new ConcurrentHashMap<>();

    /// @param request the one under way; null while the client has sent no whole header
    private record Turn(@Nullable HttpServerRequest request, long deadlineMillis) {}

    SlowSenders(Vertx vertx) {
        vertx.setPeriodic(SWEEP_MILLIS, _ -> sweep(nowMillis()));
    }

    void connected(HttpConnection connection) {
        turns.put(connection, new Turn(null, nowMillis() + HEADER_MILLIS));
        connection.closeHandler(_ -> turns.remove(connection));
    }

    void requestBegan(HttpServerRequest request) {
        turns.put(request.connection(), new Turn(request, nowMillis() + BODY_MILLIS));
    }

    private void sweep(long nowMillis) {
        turns.forEach((connection, turn) -> {
            var request = turn.request();
            if (request != null && request.response().ended()) {
                turns.replace(connection, turn, new Turn(null, nowMillis + IDLE_MILLIS));
            } else if (nowMillis > turn.deadlineMillis() && (request == null || !request.isEnded())) {
                turns.remove(connection);
                connection.close();
            }
        });
    }

    private static long nowMillis() {
        return TimeUnit.NANOSECONDS.toMillis(System.nanoTime());
    }
}
