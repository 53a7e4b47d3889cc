package dev.llmworker.serving.camel;

import dev.llmworker.serving.connection.HttpClient;
import dev.llmworker.serving.connection.QuietStreams;
import org.apache.camel.CamelContext;
import org.apache.camel.Exchange;
import org.apache.camel.NamedNode;
import org.apache.camel.Route;
import org.apache.camel.component.platform.http.PlatformHttpEndpoint;
import org.apache.camel.component.platform.http.vertx.HttpMessage;
import org.apache.camel.spi.RoutePolicy;
import org.apache.camel.spi.RoutePolicyFactory;
import org.apache.camel.support.RoutePolicySupport;

/// Puts the [HttpClient] on each exchange of a route from platform-http. Camel finds this class by its type in the
/// registry.
public final class ClientPolicy implements RoutePolicyFactory {
    private final QuietStreams streams;
    private final RoutePolicy policy = new RoutePolicySupport() {
        @Override
        public void onExchangeBegin(Route route, Exchange exchange) {
            if (route.getEndpoint() instanceof PlatformHttpEndpoint) {
                var http = exchange.getMessage(HttpMessage.class);
                if (http != null) {
                    new HttpClient(http.getRequest(), streams).travelWith(exchange);
                }
            }
        }
    };

    /// @param streams the event streams of the port
    public ClientPolicy(QuietStreams streams) {
        this.streams = streams;
    }

    @Override
    public RoutePolicy createRoutePolicy(CamelContext context, String routeId, NamedNode route) {
        return policy;
    }
}
