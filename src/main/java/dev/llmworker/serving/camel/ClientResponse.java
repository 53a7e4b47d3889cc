package dev.llmworker.serving.camel;

import dev.llmworker.serving.access.Access;
import dev.llmworker.serving.wire.RequestId;
import io.vertx.core.http.HttpServerResponse;
import org.apache.camel.CamelContext;
import org.apache.camel.Exchange;
import org.apache.camel.NamedNode;
import org.apache.camel.Route;
import org.apache.camel.component.platform.http.PlatformHttpEndpoint;
import org.apache.camel.component.platform.http.vertx.HttpMessage;
import org.apache.camel.spi.RoutePolicy;
import org.apache.camel.spi.RoutePolicyFactory;
import org.apache.camel.support.RoutePolicySupport;
import org.jspecify.annotations.Nullable;

/// Keeps the response, the path and the key of the HTTP client that waits with its exchange. Many steps,
/// `convertBodyTo`
/// among them, put a new message in the place of the one that knows them.
///
/// Camel finds it by its type in the registry.
public final class ClientResponse implements RoutePolicyFactory {
    private static final String RESPONSE = "llmworker.response";
    private static final String PATH = "llmworker.path";
    private static final String KEY = "llmworker.key";

    private final RoutePolicy policy = new RoutePolicySupport() {
        @Override
        public void onExchangeBegin(Route route, Exchange exchange) {
            if (route.getEndpoint() instanceof PlatformHttpEndpoint) {
                var http = exchange.getMessage(HttpMessage.class);
                if (http != null) {
                    exchange.setProperty(RESPONSE, http.getResponse());
                    exchange.setProperty(PATH, http.getRequest().path());
                    exchange.setProperty(KEY, Access.keyLabel(http.getRequest()));
                }
            }
        }
    };

    /// Null where no HTTP client waits.
    public static @Nullable HttpServerResponse of(Exchange exchange) {
        return exchange.getProperty(RESPONSE, HttpServerResponse.class);
    }

    /// What the answer's `X-Request-Id` says; empty where no HTTP client waits.
    public static String requestId(Exchange exchange) {
        var response = of(exchange);
        return response == null ? "" : RequestId.of(response);
    }

    /// Null where no HTTP client waits.
    public static @Nullable String path(Exchange exchange) {
        return exchange.getProperty(PATH, String.class);
    }

    /// Label of the API key of the HTTP client that waits; null where there is none.
    public static @Nullable String key(Exchange exchange) {
        return exchange.getProperty(KEY, String.class);
    }

    @Override
    public RoutePolicy createRoutePolicy(CamelContext context, String routeId, NamedNode route) {
        return policy;
    }
}
