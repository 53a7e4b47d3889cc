package dev.llmworker.serving;

import dev.llmworker.stats.WorkerStats;
import org.apache.camel.Consumer;
import org.apache.camel.Processor;
import org.apache.camel.component.vertx.websocket.VertxWebsocketComponent;
import org.apache.camel.component.vertx.websocket.VertxWebsocketConfiguration;
import org.apache.camel.component.vertx.websocket.VertxWebsocketEndpoint;

/// An endpoint whose consumer keeps the order of a connection's messages.
final class SharedWebsocketEndpoint extends VertxWebsocketEndpoint {
    private final WebSockets sockets;
    private final WorkerStats stats;

    SharedWebsocketEndpoint(
            String uri,
            VertxWebsocketComponent component,
            VertxWebsocketConfiguration configuration,
            WebSockets sockets,
            WorkerStats stats) {
        super(uri, component, configuration);
        this.sockets = sockets;
        this.stats = stats;
    }

    @Override
    public Consumer createConsumer(Processor processor) throws Exception {
        if (getConfiguration().isConsumeAsClient()) {
            return super.createConsumer(processor);
        }
        var routesEvents = getConfiguration().isFireWebSocketConnectionEvents();
        // The consumer itself always needs them.
        getConfiguration().setFireWebSocketConnectionEvents(true);
        var consumer = new SharedWebsocketConsumer(this, processor, routesEvents, sockets, stats);
        configureConsumer(consumer);
        return consumer;
    }
}
