package dev.llmworker.serving;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/// The WebSockets that are open, of all routes.
///
/// Threading: any thread.
final class WebSockets {
    static final int POLICY = 1008;

    private final Set<WebSocketConnection> open = ConcurrentHashMap.newKeySet();

    void opened(WebSocketConnection connection) {
        open.add(connection);
    }

    void closed(WebSocketConnection connection) {
        open.remove(connection);
    }

    /// Closes those whose key is good no more.
    void closeRevoked(ApiKeys keys) {
        for (var connection : open) {
            var key = connection.caller().key();
            if (key != null && !keys.has(key)) {
                connection.close(POLICY, "the API key is no longer valid");
            }
        }
    }
}
