package dev.llmworker.serving.camel;

import dev.llmworker.serving.port.HttpPort;
import dev.llmworker.stats.WorkerStats;
import java.util.Map;
import org.apache.camel.Consumer;
import org.apache.camel.Endpoint;
import org.apache.camel.Processor;
import org.apache.camel.component.vertx.websocket.VertxWebsocketComponent;
import org.apache.camel.component.vertx.websocket.VertxWebsocketConfiguration;
import org.apache.camel.component.vertx.websocket.VertxWebsocketConsumer;
import org.apache.camel.component.vertx.websocket.VertxWebsocketEndpoint;
import org.apache.camel.component.vertx.websocket.VertxWebsocketHost;
import org.apache.camel.component.vertx.websocket.VertxWebsocketHostConfiguration;
import org.apache.camel.component.vertx.websocket.VertxWebsocketHostKey;
import org.apache.camel.spi.annotations.Component;
import org.jspecify.annotations.Nullable;

/// Camel's `vertx-websocket`, mounted on the [PortRouter] instead of a server of its own.
// The annotation is not inherited. Without it Camel silently ignores the endpoint's options.
@Component("vertx-websocket")
public final class PortWebsocketComponent extends VertxWebsocketComponent {
    private final HttpPort port;
    private final PortRouter router;
    private final WorkerStats stats;

    public PortWebsocketComponent(HttpPort port, PortRouter router, WorkerStats stats) {
        this.port = port;
        this.router = router;
        this.stats = stats;
        setRouter(router.forWebSockets());
    }

    @Override
    protected Endpoint createEndpoint(String uri, String remaining, Map<String, Object> parameters) throws Exception {
        setDefaultHost(port.settings().host());
        setDefaultPort(port.port());
        return super.createEndpoint(uri, remaining, parameters);
    }

    @Override
    protected VertxWebsocketHost createVertxWebsocketHost(
            VertxWebsocketHostConfiguration configuration, VertxWebsocketHostKey key) {
        return new PortWebsocketHost(getCamelContext(), configuration, key, port, router);
    }

    /// Camel's own component forgets the host, and so all of its paths, with the first path that goes.
    @Override
    public void disconnectConsumer(VertxWebsocketConsumer consumer) {
        for (var host : getVertxHostRegistry().values()) {
            if (host instanceof PortWebsocketHost port) {
                port.disconnect(consumer);
            }
        }
    }

    @Override
    protected VertxWebsocketEndpoint createEndpointInstance(String uri, VertxWebsocketConfiguration configuration) {
        return new InOrderEndpoint(uri, configuration);
    }

    /// An endpoint whose consumer keeps the order of a connection's messages.
    private final class InOrderEndpoint extends VertxWebsocketEndpoint {
        private @Nullable Boolean routesEvents;

        InOrderEndpoint(String uri, VertxWebsocketConfiguration configuration) {
            super(uri, PortWebsocketComponent.this, configuration);
        }

        @Override
        public Consumer createConsumer(Processor processor) throws Exception {
            if (getConfiguration().isConsumeAsClient()) {
                return super.createConsumer(processor);
            }
            if (routesEvents == null) {
                routesEvents = getConfiguration().isFireWebSocketConnectionEvents();
            }
            // The consumer itself always needs them. Each version of a route has a consumer of this endpoint.
            getConfiguration().setFireWebSocketConnectionEvents(true);
            var consumer = new PortWebsocketConsumer(this, processor, routesEvents, port, stats);
            configureConsumer(consumer);
            return consumer;
        }
    }
}
