package dev.llmworker.serving.camel;

import dev.llmworker.serving.memory.MemoryBudget;
import dev.llmworker.serving.port.HttpMeter;
import dev.llmworker.serving.port.HttpPort;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.serving.wire.RequestId;
import io.vertx.core.Handler;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.RoutingContext;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.regex.Pattern;
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
    private static final Pattern PATH_PARAMETER = Pattern.compile(":[A-Za-z0-9_]+");
    private static final Map<Integer, String> REASONS = Map.of(
            400, "bad request",
            401, "unauthorized",
            403, "forbidden",
            406, "not acceptable",
            415, "unsupported media type",
            417, "expectation failed",
            503, "service unavailable");

    private final int maxBodyBytes;
    private final MemoryBudget memory;

    public PortRouter(HttpPort port) {
        super(null, port.vertx(), Router.router(port.vertx()), NAME);
        maxBodyBytes = port.maxBodyBytes();
        memory = port.memory();
        REASONS.forEach((status, reason) -> answer(status, _ -> JsonError.ofStatus(status, reason)));
        answer(404, PortRouter::notFound);
        answer(405, this::methodNotAllowed);
        answer(413, _ -> JsonError.of(413, "body_too_large", "the body is larger than " + maxBodyBytes + " bytes"));
        answer(500, PortRouter::failed);
        route().order(Integer.MIN_VALUE).handler(new HttpMeter(port.stats()));
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
        var allowed = new TreeSet<String>();
        for (var route : getRoutes()) {
            var path = route.getPath();
            if (path != null && route.methods() != null && matches(path, request.normalizedPath())) {
                route.methods().forEach(method -> allowed.add(method.name()));
            }
        }
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

    /// Whether a route of `pattern` serves `path`: `/rooms/:room` serves `/rooms/7`.
    private static boolean matches(String pattern, String path) {
        var regex = new StringBuilder();
        var parameters = PATH_PARAMETER.matcher(pattern);
        var end = 0;
        while (parameters.find()) {
            regex.append(Pattern.quote(pattern.substring(end, parameters.start())))
                    .append("[^/]+");
            end = parameters.end();
        }
        regex.append(Pattern.quote(pattern.substring(end)));
        return path.matches(regex + "/?");
    }
}
