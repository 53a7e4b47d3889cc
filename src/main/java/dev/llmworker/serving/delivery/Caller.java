package dev.llmworker.serving.delivery;

import dev.llmworker.serving.connection.Client;
import org.apache.camel.Exchange;

/// Who asks for a generation.
///
/// @param client who waits for it
/// @param route the id of the route that the exchange entered; `none` if Java code and no route sent it
public record Caller(Client client, String route) {
    public static Caller of(Exchange exchange) {
        var route = exchange.getFromRouteId();
        return new Caller(Client.of(exchange), route == null ? "none" : route);
    }
}
