package dev.llmworker.serving.connection;

import dev.llmworker.generation.Lease;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/// The requests under way, so that a client can cancel its own by their id. A request is here from the start of its
/// route until its answer is sent, whether something is generated for it at the moment or not.
///
/// Threading: any thread.
public final class Requests {
    private final Map<Object, Client> underWay = new ConcurrentHashMap<>();

    /// A request begins.
    ///
    /// @return closed when it has been answered
    public Lease enter(Client client) {
        var place = new Object();
        underWay.put(place, client);
        return Lease.of(() -> underWay.remove(place));
    }

    /// How many are under way; a prompt of a WebSocket whose exchange is not done counts twice.
    public int count() {
        return underWay.size();
    }

    /// Cancels all requests with an id.
    ///
    /// @param asking has the API key of these requests
    /// @return false if no request with this key has the id
    public boolean cancel(String requestId, Client asking) {
        var found = false;
        for (var client : underWay.values()) {
            // The request that asks for it may have the same id.
            if (client != asking
                    && client.requestId().equals(requestId)
                    && client.cacheSalt().equals(asking.cacheSalt())) {
                found |= client.cancel();
            }
        }
        return found;
    }
}
