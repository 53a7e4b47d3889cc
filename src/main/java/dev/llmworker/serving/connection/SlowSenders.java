package dev.llmworker.serving.connection;

import io.vertx.core.http.HttpConnection;
import io.vertx.core.http.HttpServerRequest;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/// Cuts connections that take too long to send a request, or keep none under way. Vert.x's own idle time-outs look at
/// bytes alone and would also cut a generation that waits for its first token and a WebSocket that is quiet; here a
/// connection has a deadline only while it is the client's turn, and [WebSockets] look after their own.
///
/// Threading: any thread.
public final class SlowSenders {
    private static final long SWEEP_MILLIS = 500;

    private final ConnectionClock clock;
    private final Timeouts timeouts;
    private final Map<HttpConnection, Turn> turns = new ConcurrentHashMap<>();

    /// @param request the one under way; null while the client has sent no whole header
    private record Turn(@Nullable HttpServerRequest request, long deadlineMillis) {
        boolean isAnswered() {
            return request != null
                    && (request.response().ended() || request.response().closed());
        }
    }

    public SlowSenders(ConnectionClock clock, Timeouts timeouts) {
        this.clock = clock;
        this.timeouts = timeouts;
        clock.every(SWEEP_MILLIS, this::sweep);
    }

    public void connected(HttpConnection connection) {
        turns.put(
                connection, new Turn(null, clock.nowMillis() + timeouts.header().toMillis()));
        connection.closeHandler(_ -> turns.remove(connection));
    }

    public void requestBegan(HttpServerRequest request) {
        turns.put(
                request.connection(),
                new Turn(request, clock.nowMillis() + timeouts.body().toMillis()));
    }

    /// The connection is a WebSocket from now on.
    public void upgraded(HttpConnection connection) {
        turns.remove(connection);
    }

    /// Whether a request waits for its answer, or for the rest of it.
    public boolean haveRequest() {
        return turns.values().stream().anyMatch(turn -> turn.request() != null && !turn.isAnswered());
    }

    /// How many connections have a deadline.
    int connections() {
        return turns.size();
    }

    private void sweep(long nowMillis) {
        turns.forEach((connection, turn) -> {
            var request = turn.request();
            if (turn.isAnswered()) {
                turns.replace(
                        connection,
                        turn,
                        new Turn(null, nowMillis + timeouts.idle().toMillis()));
            } else if (nowMillis > turn.deadlineMillis() && (request == null || !request.isEnded())) {
                turns.remove(connection);
                connection.close();
            }
        });
    }
}
