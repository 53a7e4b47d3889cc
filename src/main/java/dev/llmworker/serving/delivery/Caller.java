package dev.llmworker.serving.delivery;

import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.memory.MemoryBudget;
import dev.llmworker.serving.wire.ParsedBody;
import org.apache.camel.Exchange;
import org.jspecify.annotations.Nullable;

/// Who asks for a generation.
///
/// @param client who waits for it
/// @param route the id of the route that the exchange entered; `none` if Java code and no route sent it
/// @param exchange that gets the answer as its body; null if no exchange does
public record Caller(Client client, String route, @Nullable Exchange exchange) {
    public Caller(Client client, String route) {
        this(client, route, null);
    }

    public static Caller of(Exchange exchange) {
        var route = exchange.getFromRouteId();
        return new Caller(Client.of(exchange), route == null ? "none" : route, exchange);
    }

    /// The memory of a whole answer stays taken until its exchange is done.
    void keep(MemoryBudget.Lease memory) {
        if (exchange == null) {
            memory.close();
        } else {
            // The answer may have several choices, whose threads all come here.
            synchronized (exchange) {
                ParsedBody.closeAfter(exchange, memory::close);
            }
        }
    }
}
