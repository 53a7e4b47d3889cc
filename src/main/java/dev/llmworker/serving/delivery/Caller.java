package dev.llmworker.serving.delivery;

import dev.llmworker.serving.connection.Client;
import org.apache.camel.Exchange;
import org.jspecify.annotations.Nullable;

/// Who asks for a generation.
///
/// @param client who waits for it
/// @param route the id of the route that the exchange entered; `none` if Java code and no route sent it
public record Caller(Client client, String route) {
    public static Caller of(Exchange exchange) {
        var route = exchange.getFromRouteId();
        return new Caller(Client.of(exchange), route == null ? "none" : route);
    }

    /// Tells clients with different API keys apart, so that none learns from the time of its answers what another one
    /// asked.
    String cacheSalt() {
        var key = client.key();
        return key == null ? "" : key.hash();
    }

    /// Names the client's API key in logs and metrics; null if it came with none.
    @Nullable
    String keyLabel() {
        var key = client.key();
        return key == null ? null : key.label();
    }
}
