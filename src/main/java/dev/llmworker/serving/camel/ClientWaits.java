package dev.llmworker.serving.camel;

import org.apache.camel.Exchange;
import org.apache.camel.Predicate;

/// The predicate `clientWaits`: whether an exchange came by HTTP or WebSocket, so that what goes wrong is to be told to
/// somebody. Else the failure belongs to the source of its route: a file is not done, a message goes back to its queue.
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
