package dev.llmworker.serving.delivery;

import dev.llmworker.serving.camel.ClientResponse;
import dev.llmworker.serving.camel.PortWebsocketConsumer;
import java.util.Objects;
import org.apache.camel.Exchange;
import org.jspecify.annotations.Nullable;

/// Who asks for a generation.
///
/// @param route the id of the route that asks
/// @param key label of the API key that the request came with; null where it came with none
/// @param admitted whether the request was let in as such: then it is answered, even if the worker is to stop
/// meanwhile.
///     What comes from queues, folders and timers is not, and waits there for another worker
public record Caller(String route, @Nullable String key, boolean admitted) {
    public static Caller of(Exchange exchange) {
        // Null if Java code sent the exchange, without a route.
        var route = Objects.requireNonNullElse(exchange.getFromRouteId(), "none");
        var connection = PortWebsocketConsumer.connection(exchange);
        return connection == null
                ? new Caller(route, ClientResponse.key(exchange), ClientResponse.of(exchange) != null)
                : new Caller(route, connection.key(), PortWebsocketConsumer.isAdmitted(exchange));
    }
}
