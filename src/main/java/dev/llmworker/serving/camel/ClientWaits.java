package dev.llmworker.serving.camel;

import org.apache.camel.Exchange;
import org.apache.camel.Predicate;

/// The predicate `clientWaits`: whether an exchange came by HTTP or WebSocket, so that a client gets the error.
/// Otherwise the source of the route gets the failure: a file stays, a message goes back to its queue.
public final class ClientWaits implements Predicate {
    @Override
    public boolean matches(Exchange exchange) {
        var source = exchange.getFromEndpoint();
        if (source == null) {
            return false;
        }
        var uri = source.getEndpointUri();
        return uri.startsWith("platform-http:") || uri.startsWith("vertx-websocket:");
    }
}
