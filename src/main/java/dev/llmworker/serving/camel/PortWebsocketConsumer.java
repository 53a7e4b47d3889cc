package dev.llmworker.serving.camel;

import dev.llmworker.generation.Lease;
import dev.llmworker.serving.access.Access;
import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.connection.MessageAssembler;
import dev.llmworker.serving.connection.StrictFrames;
import dev.llmworker.serving.connection.WebSocketClient;
import dev.llmworker.serving.connection.WebSocketConnection;
import dev.llmworker.serving.connection.WebSockets;
import dev.llmworker.serving.memory.MemoryBudget;
import dev.llmworker.serving.port.HttpPort;
import dev.llmworker.serving.wire.RequestId;
import dev.llmworker.stats.WorkerStats;
import io.vertx.core.http.ServerWebSocket;
import io.vertx.core.net.SocketAddress;
import io.vertx.core.net.impl.ConnectionBase;
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

/// Routes the messages of each connection in their order, on virtual threads; Camel's own consumer gives them to a
/// pool, where they overtake each other. An exchange carries its [WebSocketClient]. Connections outlast a version of
/// their route: the next message goes to the newest.
///
/// Threading: called on the event loops.
public final class PortWebsocketConsumer extends VertxWebsocketConsumer implements PortConsumer {
    private static final Logger LOG = LoggerFactory.getLogger(PortWebsocketConsumer.class);
    private static final String RESTARTING = "restarting";
    /// How often the target of a handshake is in memory: as a whole, as path and query, and as routes see it.
    private static final long BYTES_PER_CHARACTER = 4;

    private final boolean routesEvents;
    private final HttpPort port;
    private final WorkerStats stats;
    private RouteUse use = new RouteUse();
    /// Of all versions of the route.
    private volatile Map<String, WebSocketConnection> connections = new ConcurrentHashMap<>();
    private volatile @Nullable PortWebsocketConsumer newer;
    private volatile boolean replaced;

    /// @param routesEvents whether the route also gets an exchange when a connection opens or closes
    PortWebsocketConsumer(
            VertxWebsocketEndpoint endpoint,
            Processor processor,
            boolean routesEvents,
            HttpPort port,
            WorkerStats stats) {
        super(endpoint, processor);
        this.port = port;
        this.routesEvents = routesEvents;
        this.stats = stats;
    }

    @Override
    protected void doStart() throws Exception {
        use = RouteUse.of(getRoute());
        super.doStart();
    }

    @Override
    public boolean isAt(PortConsumer other) {
        return other instanceof PortWebsocketConsumer socket
                && socket.getEndpoint()
                        .getConfiguration()
                        .getWebsocketURI()
                        .equals(getEndpoint().getConfiguration().getWebsocketURI());
    }

    @Override
    public void giveWay(@Nullable PortConsumer newer) {
        if (newer instanceof PortWebsocketConsumer socket) {
            socket.connections = connections;
            this.newer = socket;
        }
        replaced = true;
        var _ = use.replaced();
        getComponent().disconnectConsumer(this);
        if (newer == null) {
            connections.values().forEach(connection -> connection.leave(WebSockets.SERVICE_RESTART, RESTARTING));
        }
    }

    @Override
    protected void doStop() throws Exception {
        super.doStop();
        if (!replaced) {
            var context = getEndpoint().getCamelContext();
            var isStopping = context.isStopping() || context.isStopped();
            connections
                    .values()
                    .forEach(connection -> connection.close(
                            isStopping ? WebSockets.GOING_AWAY : WebSockets.SERVICE_RESTART,
                            isStopping ? "stopping" : RESTARTING));
        }
    }

    @Override
    public void onOpen(String key, SocketAddress remote, RoutingContext routing, ServerWebSocket socket) {
        var connection = new WebSocketConnection(
                socket,
                ((ConnectionBase) routing.request().connection()).channelHandlerContext(),
                RequestId.of(routing.response()),
                Access.key(routing.request()),
                port.webSockets().newKeepAlive());
        connections.put(key, connection);
        stats.recordWebSocketOpened();
        port.slowSenders().upgraded(routing.request().connection());
        StrictFrames.install(
                routing.request().connection(),
                connection::refuse,
                HttpPort.MAX_MESSAGE_BYTES,
                connection.keepAlive(),
                port.memory());
        // These replace Camel's own handlers.
        socket.textMessageHandler(null);
        socket.binaryMessageHandler(null);
        var messages = new MessageAssembler(
                connection::refuse,
                HttpPort.MAX_MESSAGE_BYTES,
                connection.keepAlive(),
                port.memory(),
                (message, memory) -> {
                    connection.arrived(memory);
                    onMessage(key, message, remote, routing);
                });
        socket.frameHandler(messages);
        // Tasks run on any thread. The message belongs to the event loop.
        var _ = connection.onGone(() -> connection.onEventLoop(messages::forget));
        port.webSockets().opened(connection);
        holdHandshake(connection, routing);
        if (newest().routesEvents) {
            super.onOpen(key, remote, routing, socket);
        }
        if (newest().replaced) {
            // Its route went between the handshake and here.
            connection.leave(WebSockets.SERVICE_RESTART, RESTARTING);
        }
    }

    /// A connection keeps its handshake for as long as it lives. Nobody needs the headers any more, and the target
    /// counts.
    private void holdHandshake(WebSocketConnection connection, RoutingContext routing) {
        var request = routing.request();
        request.headers().clear();
        request.params().clear();
        var memory = port.memory().lease();
        if (!memory.take(MemoryBudget.ofHead(BYTES_PER_CHARACTER * request.uri().length()))) {
            connection.close(WebSockets.TRY_AGAIN_LATER, WebSockets.OUT_OF_MEMORY);
        }
        var _ = connection.onGone(memory::close);
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
        if (newest().routesEvents) {
            super.onClose(key, remote, routing);
        }
        connections.remove(key);
    }

    @Override
    public void onException(String key, Throwable cause, SocketAddress remote, RoutingContext routing) {
        // The client broke the protocol or vanished. The close event that follows does the rest.
        LOG.debug("WebSocket {} failed", key, cause);
    }

    /// Query parameters are left out: Camel's own consumer makes headers of them, by the client's names
    /// (CVE-2026-46726).
    @Override
    protected void populateExchangeHeaders(
            Exchange exchange, String key, SocketAddress remote, RoutingContext routing, VertxWebsocketEvent event) {
        var message = exchange.getMessage();
        routing.pathParams().forEach(message::setHeader);
        message.setHeader(VertxWebsocketConstants.REMOTE_ADDRESS, remote);
        message.setHeader(VertxWebsocketConstants.CONNECTION_KEY, key);
        message.setHeader(VertxWebsocketConstants.EVENT, event);
        var connection = connections.get(key);
        if (connection != null) {
            new WebSocketClient(connection, !port.drain().hasBegun(), arrived(connection)).travelWith(exchange);
        }
    }

    /// The memory of the message that this exchange is for; an event has none.
    private MemoryBudget.Lease arrived(WebSocketConnection connection) {
        var memory = connection.takeArrived();
        return memory == null ? port.memory().lease() : memory;
    }

    private PortWebsocketConsumer newest() {
        var newest = this;
        for (var next = newer; next != null; next = next.newer) {
            newest = next;
        }
        return newest;
    }

    /// The newest version of the route, in which an exchange may begin; null if the route is gone.
    private @Nullable PortWebsocketConsumer begun() {
        var version = this;
        while (version != null && !version.use.begin()) {
            version = version.newer;
        }
        return version;
    }

    @Override
    protected void processExchange(Exchange exchange, RoutingContext routing) {
        if (!(Client.of(exchange) instanceof WebSocketClient client)) {
            return;
        }
        var version = begun();
        if (version == null) {
            client.memory().close();
            return;
        }
        var entered = port.requests().enter(client);
        try (var place = Lease.of(() -> {
            version.use.done();
            entered.close();
        })) {
            client.connection().route(() -> {
                try (var _ = client.memory();
                        entered) {
                    version.process(exchange);
                } finally {
                    version.use.done();
                }
            });
            place.keep();
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
