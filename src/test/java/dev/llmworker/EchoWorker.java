package dev.llmworker;

import dev.llmworker.assembly.Listening;
import dev.llmworker.assembly.WorkerBeans;
import dev.llmworker.generation.MockGenerator;
import dev.llmworker.routes.CamelApplication;
import dev.llmworker.serving.port.HttpPort;
import dev.llmworker.stats.WorkerStats;
import dev.llmworker.testing.RawConnection;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.TestSettings;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.ServerWebSocket;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.camel.Processor;
import org.apache.camel.component.vertx.websocket.VertxWebsocketConstants;
import org.apache.camel.component.vertx.websocket.VertxWebsocketEvent;
import org.jspecify.annotations.Nullable;

/// A worker with one more route, `WS /echo`, which sends each message back as it came: what tests of the protocol
/// beneath the prompts talk to, ours and the Autobahn suite.
public final class EchoWorker implements AutoCloseable {
    private final HttpPort port;
    private final CamelApplication camel;

    /// @param number of the port; 0 takes any free one
    /// @param folder an empty one, for the routes
    public EchoWorker(int number, Path folder) throws Exception {
        var routes = RouteFolder.in(folder)
                .route("echo", "vertx-websocket:/echo?fireWebSocketConnectionEvents=true", "process: {ref: echo}")
                .path();
        var settings = TestSettings.of(Map.of("PORT", Integer.toString(number), "ROUTES", routes.toString()));
        port = HttpPort.open(Listening.settings(settings));
        camel = new CamelApplication(settings, WorkerBeans.of(port, new MockGenerator(), new WorkerStats()));
        camel.bind("echo", echo());
        camel.start();
    }

    /// Serves at the port that is the first argument, until it is ended.
    public static void main(String[] args) throws Exception {
        try (var _ = new EchoWorker(Integer.parseInt(args[0]), Files.createTempDirectory("echo"))) {
            Thread.currentThread().join();
        }
    }

    public RawConnection raw() throws IOException {
        return new RawConnection(new Socket(InetAddress.getLoopbackAddress(), port.port()));
    }

    @Override
    public void close() {
        camel.stop();
    }

    private static Processor echo() {
        var sockets = new ConcurrentHashMap<String, ServerWebSocket>();
        return exchange -> {
            var message = exchange.getMessage();
            var key = message.getHeader(VertxWebsocketConstants.CONNECTION_KEY, String.class);
            switch (Objects.requireNonNull(
                    message.getHeader(VertxWebsocketConstants.EVENT, VertxWebsocketEvent.class))) {
                case OPEN -> sockets.put(key, message.getBody(ServerWebSocket.class));
                case MESSAGE -> send(message.getMandatoryBody(), sockets.get(key));
                case CLOSE -> sockets.remove(key);
                case ERROR -> {}
            }
        };
    }

    private static void send(Object message, @Nullable ServerWebSocket socket) {
        // Null where the client has left meanwhile.
        if (socket == null) {
            return;
        }
        switch (message) {
            case String text -> socket.writeTextMessage(text);
            case byte[] bytes -> socket.writeBinaryMessage(Buffer.buffer(bytes));
            default -> throw new IllegalStateException("a message is a " + message.getClass());
        }
    }
}
