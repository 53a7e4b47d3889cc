package dev.llmworker.serving.port;

import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.RawConnection;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.handler.codec.http.HttpResponseEncoder;
import io.netty.handler.codec.http.websocketx.WebSocket13FrameDecoder;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpConnection;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.ServerWebSocket;
import io.vertx.core.http.impl.Http1xServerConnection;
import io.vertx.core.http.impl.HttpServerRequestInternal;
import io.vertx.core.http.impl.VertxHttpRequestDecoder;
import io.vertx.core.impl.VertxInternal;
import java.net.InetAddress;
import java.net.Socket;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// What the worker relies on inside Vert.x and Netty, tried on a plain Vert.x server. If a new version changes it, a
/// test here fails with a sentence that names the class of the worker to look at. `docs/upgrading.md` lists them all.
class TransportInternalsTest {
    private final Vertx vertx = Vertx.vertx();
    private final CompletableFuture<Opened> opened = new CompletableFuture<>();
    private final CompletableFuture<HttpServerRequest> requested = new CompletableFuture<>();
    private final CompletableFuture<@Nullable ChannelHandler> frameDecoder = new CompletableFuture<>();
    private final CompletableFuture<Boolean> upgradedAtOnce = new CompletableFuture<>();
    private HttpServer server;

    /// A connection when Vert.x hands it over, which is when the worker puts in its own handlers.
    private record Opened(
            HttpConnection connection,
            @Nullable ChannelHandler decoder,
            @Nullable ChannelHandler encoder,
            @Nullable Object outboundBuffer) {}

    @BeforeEach
    void start() throws Exception {
        server = vertx.createHttpServer()
                .connectionHandler(connection -> {
                    var channel = channel(connection);
                    opened.complete(new Opened(
                            connection,
                            handler(channel, "httpDecoder"),
                            handler(channel, "httpEncoder"),
                            channel == null ? null : channel.unsafe().outboundBuffer()));
                })
                .requestHandler(this::upgrade);
        await(server.listen(0, "127.0.0.1"));
        try (var client = new RawConnection(new Socket(InetAddress.getLoopbackAddress(), server.actualPort()))) {
            client.upgrade("/ws");
            await(frameDecoder);
        }
    }

    @AfterEach
    void stop() throws Exception {
        await(vertx.close());
    }

    private void upgrade(HttpServerRequest request) {
        requested.complete(request);
        // What the event loop does next, such as learning that a connection is closed, comes after this.
        var turned = new AtomicBoolean();
        vertx.runOnContext(_ -> turned.set(true));
        Future<ServerWebSocket> socket = request.toWebSocket();
        socket.onComplete(upgrade -> {
            upgradedAtOnce.complete(upgrade.succeeded() && !turned.get());
            frameDecoder.complete(handler(channel(request.connection()), "wsdecoder"));
        });
    }

    private static @Nullable Channel channel(HttpConnection connection) {
        return connection instanceof Http1xServerConnection http ? http.channel() : null;
    }

    private static @Nullable ChannelHandler handler(@Nullable Channel channel, String name) {
        return channel == null ? null : channel.pipeline().get(name);
    }

    private static <T> T await(CompletableFuture<T> future) throws Exception {
        return future.get(150, TimeUnit.SECONDS);
    }

    private static <T> T await(Future<T> future) throws Exception {
        return await(future.toCompletionStage().toCompletableFuture());
    }

    @Test
    void aConnectionIsAnHttp1xServerConnection() throws Exception {
        assertInstanceOf(
                Http1xServerConnection.class,
                await(opened).connection(),
                "Vert.x has another class for connections of HTTP/1.1: HttpPort would leave out StrictRequestDecoder and"
                        + " SlowReaders, and the WebSocket consumer StrictFrames, without a word");
    }

    @Test
    void theDecoderOfRequestsHasItsNameAndItsClass() throws Exception {
        assertInstanceOf(
                VertxHttpRequestDecoder.class,
                await(opened).decoder(),
                "Vert.x no longer reads requests by a VertxHttpRequestDecoder named \"httpDecoder\", which"
                        + " StrictRequestDecoder extends and replaces");
    }

    @Test
    void theEncoderOfAnswersHasItsName() throws Exception {
        assertInstanceOf(
                HttpResponseEncoder.class,
                await(opened).encoder(),
                "Vert.x no longer writes answers by a handler named \"httpEncoder\", behind which StrictRequestDecoder"
                        + " watches for the end of each answer");
    }

    @Test
    void theDecoderOfFramesHasItsNameAndItsClass() throws Exception {
        assertInstanceOf(
                WebSocket13FrameDecoder.class,
                await(frameDecoder),
                "Vert.x no longer reads frames by a WebSocket13FrameDecoder named \"wsdecoder\", which StrictFrames"
                        + " extends and replaces");
    }

    @Test
    void aHandshakeIsAnsweredBeforeItsEventLoopDoesAnythingElse() throws Exception {
        assertTrue(
                await(upgradedAtOnce),
                "Vert.x answers a WebSocket handshake later than it is asked to: the client may disconnect in between,"
                        + " and RequestFilter.LiveHandshake looks only before");
    }

    @Test
    void aChannelSaysHowMuchWaitsToBeSent() throws Exception {
        assertNotNull(
                await(opened).outboundBuffer(),
                "Netty's channel.unsafe().outboundBuffer() is null while the channel is open: SlowReaders would find"
                        + " nobody slow");
    }

    @Test
    void aRequestHasAContextAndCanBeWrapped() throws Exception {
        assertInstanceOf(
                HttpServerRequestInternal.class,
                await(requested),
                "Vert.x's requests are no HttpServerRequestInternal any more: Access keeps the label of the key in its"
                        + " context, and RequestFilter wraps it so that HEAD is served as GET");
    }

    @Test
    void vertxMakesEventLoopContexts() {
        assertInstanceOf(
                VertxInternal.class,
                vertx,
                "Vert.x is no VertxInternal any more, of which RemoteGenerator has an event loop for each connection");
    }
}
