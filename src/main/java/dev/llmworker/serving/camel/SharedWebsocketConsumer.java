package dev.llmworker.serving.camel;

import dev.llmworker.serving.access.Access;
import dev.llmworker.serving.connection.MessageAssembler;
import dev.llmworker.serving.connection.StrictFrames;
import dev.llmworker.serving.connection.WebSocketConnection;
import dev.llmworker.serving.port.SharedPort;
import dev.llmworker.serving.wire.RequestId;
import dev.llmworker.stats.WorkerStats;
import io.vertx.core.http.ServerWebSocket;
import io.vertx.core.net.SocketAddress;
import io.vertx.ext.web.RoutingContext;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;
import org.apache.camel.component.vertx.websocket.VertxWebsocketConstants;
import org.apache.camel.component.vertx.websocket.VertxWebsocketConsumer;
import org.apache.camel.component.vertx.websocket.VertxWebsocketEndpoint;
import org.apache.camel.component.vertx.websocket.VertxWebsocketEvent;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Routes the messages of each connection in their order, on virtual threads; the stock one gives them to a pool, where
/// they overtake each other. An exchange carries its [WebSocketConnection] as a property.
///
/// Threading: called on the event loops.
public final class SharedWebsocketConsumer extends VertxWebsocketConsumer {
    private static final Logger LOG = LoggerFactory.getLogger(SharedWebsocketConsumer.class);
    private static final String CONNECTION = "llmworker.connection";
    private static final String ADMITTED = "llmworker.admitted";

    private final boolean routesEvents;
    private final SharedPort port;
    private final WorkerStats stats;
    private final Map<String, WebSocketConnection> connections = new ConcurrentHashMap<>();

    /// @param routesEvents whether the route also wants to hear of connections that open and close
    SharedWebsocketConsumer(
            VertxWebsocketEndpoint endpoint,
            Processor processor,
            boolean routesEvents,
            SharedPort port,
            WorkerStats stats) {
        super(endpoint, processor);
        this.port = port;
        this.routesEvents = routesEvents;
        this.stats = stats;
    }

    /// The connection that an exchange came by, or null where it came by no WebSocket.
    public static @Nullable WebSocketConnection connection(Exchange exchange) {
        return exchange.getProperty(CONNECTION, WebSocketConnection.class);
    }

    /// Whether a message came before the worker was to stop.
    public static boolean isAdmitted(Exchange exchange) {
        return Boolean.TRUE.equals(exchange.getProperty(ADMITTED, Boolean.class));
    }

    @Override
    public void onOpen(String key, SocketAddress remote, RoutingContext routing, ServerWebSocket socket) {
        var connection = new WebSocketConnection(
                socket,
                routing.vertx().getOrCreateContext(),
                RequestId.of(routing.response()),
                Access.keyLabel(routing.request()),
                port.webSockets().newPulse());
        connections.put(key, connection);
        stats.recordWebSocketOpened();
        port.slowSenders().upgraded(routing.request().connection());
        StrictFrames.install(routing.request().connection(), socket, SharedPort.MAX_MESSAGE_BYTES, connection.pulse());
        // Camel's own handlers are replaced.
        socket.textMessageHandler(null);
        socket.binaryMessageHandler(null);
        socket.frameHandler(new MessageAssembler(
                socket,
                SharedPort.MAX_MESSAGE_BYTES,
                connection.pulse(),
                message -> onMessage(key, message, remote, routing)));
        port.webSockets().opened(connection);
        if (routesEvents) {
            super.onOpen(key, remote, routing, socket);
        }
    }

    @Override
    public void onClose(String key, SocketAddress remote, RoutingContext routing) {
        var connection = connections.get(key);
        if (connection == null) {
            return;
        }
        connection.closed();
        port.webSockets().closed(connection);
        stats.recordWebSocketClosed();
        if (routesEvents) {
            super.onClose(key, remote, routing);
        }
        connections.remove(key);
    }

    @Override
    public void onException(String key, Throwable cause, SocketAddress remote, RoutingContext routing) {
        // Frames that break the protocol and clients that vanish: their fault, and the close tells the rest.
        LOG.debug("WebSocket {} failed", key, cause);
    }

    /// Query parameters are left out: stock puts them in under the names that the client gave them (CVE-2026-46726).
    @Override
    protected void populateExchangeHeaders(
            Exchange exchange, String key, SocketAddress remote, RoutingContext routing, VertxWebsocketEvent event) {
        var message = exchange.getMessage();
        routing.pathParams().forEach(message::setHeader);
        message.setHeader(VertxWebsocketConstants.REMOTE_ADDRESS, remote);
        message.setHeader(VertxWebsocketConstants.CONNECTION_KEY, key);
        message.setHeader(VertxWebsocketConstants.EVENT, event);
        exchange.setProperty(CONNECTION, connections.get(key));
        exchange.setProperty(ADMITTED, !port.drain().hasBegun());
    }

    @Override
    protected void processExchange(Exchange exchange, RoutingContext routing) {
        var connection = connection(exchange);
        if (connection != null) {
            connection.route(() -> process(exchange));
        }
    }

    private void process(Exchange exchange) {
        try {
            createUoW(exchange);
            getProcessor().process(exchange);
            if (exchange.getException() != null) {
                getExceptionHandler().handleException(exchange.getException());
            }
        } catch (Exception e) {
            getExceptionHandler().handleException(e);
        } finally {
            doneUoW(exchange);
            releaseExchange(exchange, false);
        }
    }
}
