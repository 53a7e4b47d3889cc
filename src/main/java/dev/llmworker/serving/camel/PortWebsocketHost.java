package dev.llmworker.serving.camel;

import dev.llmworker.serving.connection.WebSockets;
import dev.llmworker.serving.port.HttpPort;
import dev.llmworker.serving.wire.HeaderLists;
import dev.llmworker.serving.wire.JsonError;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.ext.web.Route;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.RoutingContext;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.camel.CamelContext;
import org.apache.camel.component.vertx.websocket.VertxWebsocketConsumer;
import org.apache.camel.component.vertx.websocket.VertxWebsocketHost;
import org.apache.camel.component.vertx.websocket.VertxWebsocketHostConfiguration;
import org.apache.camel.component.vertx.websocket.VertxWebsocketHostKey;
import org.jspecify.annotations.Nullable;

/// Mounts the WebSocket paths on the [PortRouter]. It does not listen: the [HttpPort] does.
final class PortWebsocketHost extends VertxWebsocketHost {
    private static final int FULL_RETRY_SECONDS = 5;
    /// Of `Sec-WebSocket-Key`: 16 bytes in Base64.
    private static final int KEY_LENGTH = 24;
    private static final String HANDSHAKE = "handshake";

    private final PortRouter router;
    private final VertxWebsocketHostKey key;
    private final Router configuredRouter;
    private final WebSockets sockets;
    private final Map<VertxWebsocketConsumer, List<Route>> mounted = new ConcurrentHashMap<>();

    PortWebsocketHost(
            CamelContext context,
            VertxWebsocketHostConfiguration configuration,
            VertxWebsocketHostKey key,
            HttpPort port,
            PortRouter router) {
        super(context, configuration, key);
        this.router = router;
        this.configuredRouter = configuration.getRouter();
        this.key = key;
        this.sockets = port.webSockets();
    }

    @Override
    public void connect(VertxWebsocketConsumer consumer) {
        var path = consumer.getEndpoint().getConfiguration().getWebsocketURI().getPath();
        var pattern = path.replace('{', ':').replace("}", "");
        var before = Set.copyOf(router.getRoutes());
        router.handshake(pattern).handler(this::checkHandshake);
        configuredRouter.route(pattern).handler(this::rejectOther);
        super.connect(consumer);
        mounted.put(
                consumer,
                router.getRoutes().stream().filter(it -> !before.contains(it)).toList());
    }

    /// Two versions of a route may be connected at one path, so the path alone does not say which is to go.
    void disconnect(VertxWebsocketConsumer consumer) {
        var routes = mounted.remove(consumer);
        if (routes != null) {
            routes.forEach(Route::remove);
        }
    }

    /// Whether a request is a handshake for a WebSocket path. It then goes past the routes of HTTP at the same path.
    static boolean isHandshake(RoutingContext context) {
        return context.get(HANDSHAKE) != null;
    }

    /// Rejects a request that is no handshake and that no route of HTTP has taken.
    private void rejectOther(RoutingContext context) {
        var request = context.request();
        if (isHandshake(context)) {
            context.next();
        } else if (request.method() == HttpMethod.GET) {
            context.response().putHeader("Upgrade", "websocket").putHeader("Connection", "Upgrade");
            upgradeRequired("this is a WebSocket; connect with ws:// or wss://").answer(request);
        } else if (router.restrictsMethods(context.normalizedPath())) {
            context.fail(405);
        } else {
            context.response().putHeader("Allow", "GET");
            JsonError.of(405, "method_not_allowed", request.method() + " is not served here; a WebSocket begins by GET")
                    .answer(request);
        }
    }

    /// Rejects invalid handshakes with a JSON error. The codec would answer with an empty body, or not at all.
    private void checkHandshake(RoutingContext context) {
        var request = context.request();
        if (request.method() != HttpMethod.GET || !HeaderLists.asksForWebSocket(request)) {
            context.next();
        } else if (!"13".equals(request.getHeader("Sec-WebSocket-Version"))) {
            context.response().putHeader("Sec-WebSocket-Version", "13");
            upgradeRequired("Sec-WebSocket-Version must be 13").answer(request);
        } else if (!isKey(request.getHeader("Sec-WebSocket-Key"))) {
            JsonError.of(400, "bad_request", "Sec-WebSocket-Key must be 16 bytes in Base64")
                    .answer(request);
        } else if (hasBody(request)) {
            // The codec would read the body as frames.
            JsonError.of(400, "bad_request", "a WebSocket begins by a request without a body")
                    .answer(request);
        } else if (!isUri(request.uri())) {
            JsonError.of(400, "bad_request", "the request target is not a valid URI; percent-encode its characters")
                    .answer(request);
        } else if (sockets.isFull()) {
            new JsonError(
                            503,
                            "too_many_websockets",
                            "the worker has " + sockets.limit() + " WebSockets, which is the limit; try again later",
                            FULL_RETRY_SECONDS)
                    .answer(request);
        } else {
            context.put(HANDSHAKE, true);
            context.next();
        }
    }

    /// Vert.x builds a [URI] of the target, and has no answer if that fails.
    private static boolean isUri(String target) {
        try {
            return !new URI(target).isOpaque();
        } catch (URISyntaxException _) {
            return false;
        }
    }

    private static boolean hasBody(HttpServerRequest request) {
        var length = request.getHeader("Content-Length");
        return request.getHeader("Transfer-Encoding") != null || length != null && !length.equals("0");
    }

    private static boolean isKey(@Nullable String key) {
        var text = key == null ? "" : key.strip();
        return text.length() == KEY_LENGTH
                && text.endsWith("==")
                && text.chars()
                        .limit(KEY_LENGTH - 2)
                        .allMatch(c -> c < 0x80 && Character.isLetterOrDigit(c) || c == '+' || c == '/');
    }

    private static JsonError upgradeRequired(String message) {
        return JsonError.of(426, "upgrade_required", message);
    }

    /// The port is open already.
    @Override
    public void start() {}

    /// The port stays open.
    @Override
    public void stop() {}

    @Override
    public boolean isManagedPort(int port) {
        return key.getPort() == port;
    }
}
