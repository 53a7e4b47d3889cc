package dev.llmworker.serving;

import org.apache.camel.Exchange;
import org.jspecify.annotations.Nullable;

/// Who asks for a generation.
///
/// @param route the id of the route that asks
/// @param key label of the API key that the request came with; null where it came with none
record Caller(String route, @Nullable String key) {
    static Caller of(Exchange exchange) {
        var connection = SharedWebsocketConsumer.connection(exchange);
        return connection == null
                ? new Caller(exchange.getFromRouteId(), ClientResponse.key(exchange))
                : connection.caller();
    }
}
