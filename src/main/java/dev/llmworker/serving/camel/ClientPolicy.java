package dev.llmworker.serving.camel;

import dev.llmworker.serving.connection.HttpClient;
import dev.llmworker.serving.connection.QuietStreams;
import dev.llmworker.serving.connection.Requests;
import java.util.Set;
import org.apache.camel.CamelContext;
import org.apache.camel.Exchange;
import org.apache.camel.NamedNode;
import org.apache.camel.Route;
import org.apache.camel.component.platform.http.PlatformHttpEndpoint;
import org.apache.camel.component.platform.http.vertx.HttpMessage;
import org.apache.camel.spi.RoutePolicy;
import org.apache.camel.spi.RoutePolicyFactory;
import org.apache.camel.support.RoutePolicySupport;
import org.apache.camel.support.SynchronizationAdapter;

/// Puts the [HttpClient] on each exchange of a route from platform-http, and takes the headers of `llm:generate` from
/// what comes from outside: no broker and no file may set them. Camel finds this class by its type in the
/// registry.
public final class ClientPolicy implements RoutePolicyFactory {
    /// Components by which routes pass exchanges to each other.
    private static final Set<String> WITHIN_THE_WORKER = Set.of("direct", "seda", "disruptor", "disruptor-vm", "stub");

    private final QuietStreams streams;
    private final Requests requests;
    private final RoutePolicy policy = new RoutePolicySupport() {
        @Override
        public void onExchangeBegin(Route route, Exchange exchange) {
            if (!(route.getEndpoint() instanceof PlatformHttpEndpoint)) {
                removeControl(route, exchange);
            } else {
                var http = exchange.getMessage(HttpMessage.class);
                if (http != null) {
                    var client = new HttpClient(http.getRequest(), streams);
                    client.travelWith(exchange);
                    enter(client, exchange);
                }
            }
        }
    };

    private void enter(HttpClient client, Exchange exchange) {
        var place = requests.enter(client);
        exchange.getExchangeExtension().addOnCompletion(new SynchronizationAdapter() {
            @Override
            public void onDone(Exchange done) {
                place.close();
            }
        });
    }

    /// Names are compared in any case, as Camel's map of headers does. Routes that pass an exchange on to each other
    /// keep the headers.
    private static void removeControl(Route route, Exchange exchange) {
        var uri = route.getEndpoint().getEndpointUri();
        var scheme = uri.substring(0, Math.max(0, uri.indexOf(':')));
        if (!WITHIN_THE_WORKER.contains(scheme) && exchange.getMessage().hasHeaders()) {
            exchange.getMessage().getHeaders().keySet().removeIf(OutsideHeaders::isControl);
        }
    }

    /// @param streams the event streams of the port
    /// @param requests the port's, which those of the routes enter
    public ClientPolicy(QuietStreams streams, Requests requests) {
        this.streams = streams;
        this.requests = requests;
    }

    @Override
    public RoutePolicy createRoutePolicy(CamelContext context, String routeId, NamedNode route) {
        return policy;
    }
}
