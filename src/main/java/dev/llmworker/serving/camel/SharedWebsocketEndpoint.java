package dev.llmworker.serving.camel;

import dev.llmworker.serving.port.SharedPort;
import dev.llmworker.stats.WorkerStats;
import org.apache.camel.Consumer;
import org.apache.camel.Processor;
import org.apache.camel.component.vertx.websocket.VertxWebsocketComponent;
import org.apache.camel.component.vertx.websocket.VertxWebsocketConfiguration;
import org.apache.camel.component.vertx.websocket.VertxWebsocketEndpoint;

/// An endpoint whose consumer keeps the order of a connection's messages.
final class SharedWebsocketEndpoint extends VertxWebsocketEndpoint {
    private final SharedPort port;
    private final WorkerStats stats;

    SharedWebsocketEndpoint(
            String uri,
            VertxWebsocketComponent component,
            VertxWebsocketConfiguration configuration,
            SharedPort port,
            WorkerStats stats) {
        super(uri, component, configuration);
        this.port = port;
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
        var consumer = new SharedWebsocketConsumer(this, processor, routesEvents, port, stats);
        configureConsumer(consumer);
        return consumer;
    }
}
