package dev.llmworker.serving.camel;

import dev.llmworker.serving.memory.MemoryBudget;
import dev.llmworker.serving.port.HttpMeter;
import dev.llmworker.serving.port.HttpPort;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.serving.wire.RequestId;
import io.vertx.core.Handler;
import io.vertx.ext.web.Route;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.RoutingContext;
import java.util.BitSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.apache.camel.component.platform.http.vertx.VertxPlatformHttpRouter;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The router on which Camel's `platform-http` and `vertx-websocket` mount their routes. The worker opens its port
/// before Camel exists, so Camel needs no HTTP server: it only needs this router, bound under [#NAME]. Errors that no
/// route answers become JSON here.
///
/// Threading: the event loops.
public final class PortRouter extends VertxPlatformHttpRouter {
    /// Camel's consumer looks for its router under this name if the context has no HTTP server.
    public static final String NAME = PLATFORM_HTTP_ROUTER_NAME_ZERO;

    private static final Logger LOG = LoggerFactory.getLogger(PortRouter.class);
    /// Stands for a parameter in a path.
    private static final int PARAMETER = -1;
    private static final Map<Integer, String> REASONS = Map.of(
            400, "bad request",
            401, "unauthorized",
            403, "forbidden",
            406, "not acceptable",
            415, "unsupported media type",
            417, "expectation failed",
            503, "service unavailable");

    /// How many routes of one rank and one count of parameters there may be since the start.
    private static final int ROUTES_OF_COUNT = 100_000;
    private static final int MOST_PARAMETERS = 9;
    private static final int ROUTES_OF_RANK = ROUTES_OF_COUNT * (MOST_PARAMETERS + 1);
    private static final int RANKS = 1000;
    private static final int FIRST_PREFIX_RANK = RANKS / 2;

    private final int maxBodyBytes;
    private final AtomicInteger routes = new AtomicInteger();
    private final Router router;
    private final MemoryBudget memory;

    public PortRouter(HttpPort port) {
        this(port, Router.router(port.vertx()));
    }

    private PortRouter(HttpPort port, Router router) {
        super(null, port.vertx(), router, NAME);
        this.router = router;
        maxBodyBytes = port.settings().maxBodyBytes();
        memory = port.memory();
        REASONS.forEach((status, reason) -> answer(status, _ -> JsonError.ofStatus(status, reason)));
        answer(404, PortRouter::notFound);
        answer(405, this::methodNotAllowed);
        answer(413, _ -> JsonError.of(413, "body_too_large", "the body is larger than " + maxBodyBytes + " bytes"));
        answer(500, PortRouter::failed);
        route().order(Integer.MIN_VALUE).handler(new HttpMeter(port.stats()));
    }

    /// The more exact path goes first, whichever was added first: `/orders/new` before `/orders/{id}` before
    /// `/orders*`, and `/{shop}/new` before `/{shop}/{id}`.
    @Override
    public Route route(String path) {
        return router.route(path).order(order(path));
    }

    /// A handshake is checked before any route of HTTP.
    Route handshake(String path) {
        return router.route(path).order(order(path) - RANKS * ROUTES_OF_RANK);
    }

    /// This router for WebSockets: their routes come after those of HTTP, which may have the same path.
    Router forWebSockets() {
        return new VertxPlatformHttpRouter(null, vertx(), router, NAME) {
            @Override
            public Route route(String path) {
                return router.route(path).order(order(path) + RANKS * ROUTES_OF_RANK);
            }
        };
    }

    private int order(String path) {
        var parameter = path.indexOf(':');
        var parameters = Math.min(path.chars().filter(c -> c == ':').count(), MOST_PARAMETERS);
        var rank = 0;
        if (path.endsWith("*")) {
            rank = RANKS - 1 - Math.min(path.length(), FIRST_PREFIX_RANK - 1);
        } else if (parameter >= 0) {
            rank = FIRST_PREFIX_RANK - 1 - Math.min(parameter, FIRST_PREFIX_RANK - 2);
        }
        // Of paths whose first parameters are in the same place, the one with fewer is more exact.
        return rank * ROUTES_OF_RANK + (int) parameters * ROUTES_OF_COUNT + routes.getAndIncrement() % ROUTES_OF_COUNT;
    }

    /// Whether a route of HTTP takes some methods at this path, but not all.
    boolean restrictsMethods(String path) {
        return !methods(path).isEmpty();
    }

    private void answer(int status, Function<RoutingContext, JsonError> error) {
        errorHandler(status, request -> error.apply(request).answer(request.request()));
    }

    @Override
    public Handler<RoutingContext> bodyHandler() {
        return new BodyReader(memory, maxBodyBytes);
    }

    private static JsonError notFound(RoutingContext request) {
        return JsonError.of(
                404, "not_found", "nothing is served at " + RequestFields.shortened(request.normalizedPath()));
    }

    private static JsonError failed(RoutingContext request) {
        var error = JsonError.of(request.failure());
        if (error != null) {
            return error;
        }
        LOG.error(
                "failed request={} path={}",
                RequestId.of(request.response()),
                request.normalizedPath(),
                request.failure());
        return JsonError.internal();
    }

    private JsonError methodNotAllowed(RoutingContext request) {
        var allowed = methods(request.normalizedPath());
        if (allowed.contains("GET")) {
            allowed.add("HEAD");
        }
        var list = String.join(", ", allowed);
        request.response().putHeader("Allow", list);
        return JsonError.of(
                405,
                "method_not_allowed",
                request.request().method() + " is not served at " + request.normalizedPath() + "; it takes " + list);
    }

    private Set<String> methods(String path) {
        var allowed = new TreeSet<String>();
        for (var route : getRoutes()) {
            var pattern = route.getPath();
            if (pattern != null && route.methods() != null && matches(pattern, route.isExactPath(), path)) {
                route.methods().forEach(method -> allowed.add(method.name()));
            }
        }
        return allowed;
    }

    /// Whether a route of `pattern` serves `path`: `/rooms/:room` serves `/rooms/7`.
    ///
    /// @param isExact whether it serves no path that goes on
    static boolean matches(String pattern, boolean isExact, String path) {
        var parts = parts(pattern);
        return matches(parts, isExact, path)
                || isExact && path.endsWith("/") && matches(parts, true, path.substring(0, path.length() - 1));
    }

    /// Follows all ways to match at once, so that the time is that of the path's length times the pattern's.
    private static boolean matches(int[] parts, boolean isExact, String path) {
        var reached = new BitSet();
        reached.set(0);
        for (var i = 0; i < path.length() && !reached.isEmpty(); i++) {
            if (!isExact && reached.get(parts.length)) {
                return true;
            }
            var character = path.charAt(i);
            var next = new BitSet();
            for (var at = reached.nextSetBit(0); at >= 0 && at < parts.length; at = reached.nextSetBit(at + 1)) {
                if (parts[at] == PARAMETER && character != '/') {
                    next.set(at);
                }
                if (parts[at] == PARAMETER ? character != '/' : parts[at] == character) {
                    next.set(at + 1);
                }
            }
            reached = next;
        }
        return reached.get(parts.length);
    }

    /// The characters of a path's pattern, with one [#PARAMETER] for each `:name`.
    private static int[] parts(String pattern) {
        var parts = IntStream.builder();
        for (var i = 0; i < pattern.length(); i++) {
            var end = i + 1;
            while (pattern.charAt(i) == ':' && end < pattern.length() && isOfName(pattern.charAt(end))) {
                end++;
            }
            parts.add(end > i + 1 ? PARAMETER : pattern.charAt(i));
            i = end - 1;
        }
        return parts.build().toArray();
    }

    private static boolean isOfName(char character) {
        return character < 0x80 && Character.isLetterOrDigit(character) || character == '_';
    }
}
