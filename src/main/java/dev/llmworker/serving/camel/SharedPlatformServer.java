package dev.llmworker.serving.camel;

import dev.llmworker.serving.port.HttpMeter;
import dev.llmworker.serving.port.SharedPort;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.serving.wire.RequestId;
import io.vertx.core.http.HttpServer;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.RoutingContext;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.apache.camel.CamelContext;
import org.apache.camel.ExtendedStartupListener;
import org.apache.camel.component.platform.http.vertx.VertxPlatformHttpRouter;
import org.apache.camel.component.platform.http.vertx.VertxPlatformHttpServer;
import org.apache.camel.component.platform.http.vertx.VertxPlatformHttpServerConfiguration;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Camel's platform-http on the [SharedPort]: hands its router over instead of listening, unless nothing listens yet.
final class SharedPlatformServer extends VertxPlatformHttpServer {
    private static final Logger LOG = LoggerFactory.getLogger(SharedPlatformServer.class);
    private static final Pattern PATH_PARAMETER = Pattern.compile(":[A-Za-z0-9_]+");
    private static final Map<Integer, String> REASONS = Map.of(
            400, "bad request",
            401, "unauthorized",
            403, "forbidden",
            406, "not acceptable",
            415, "unsupported media type",
            417, "expectation failed",
            503, "service unavailable");

    private final VertxPlatformHttpServerConfiguration configuration;
    private final SharedPort port;

    SharedPlatformServer(VertxPlatformHttpServerConfiguration configuration, SharedPort port) {
        super(configuration);
        this.configuration = configuration;
        this.port = port;
    }

    @Override
    protected void startServer() throws Exception {
        var router = VertxPlatformHttpRouter.lookup(
                getCamelContext(), VertxPlatformHttpRouter.getRouterNameFromPort(configuration.getPort()));
        REASONS.forEach((status, reason) -> router.errorHandler(
                status, request -> JsonError.ofStatus(status, reason).answer(request.request())));
        router.errorHandler(
                404,
                request -> JsonError.of(
                                404,
                                "not_found",
                                "nothing is served at " + RequestFields.shortened(request.normalizedPath()))
                        .answer(request.request()));
        router.errorHandler(405, request -> methodNotAllowed(router, request));
        router.errorHandler(
                413,
                request -> JsonError.of(
                                413, "body_too_large", "the body is larger than " + port.maxBodyBytes() + " bytes")
                        .answer(request.request()));
        router.errorHandler(500, SharedPlatformServer::failed);
        // So the body handler reports a body that breaks off or is not encoded as HTTP has it.
        router.errorHandler(
                200,
                request -> JsonError.of(400, "bad_request", "the body is not valid HTTP")
                        .answer(request.request()));
        router.route().order(Integer.MIN_VALUE).handler(new HttpMeter(port.stats()));
        if (!port.isListening()) {
            port.listen(configuration.getBindHost(), configuration.getBindPort());
        }
        if (getCamelContext().isStarted()) {
            port.serve(router);
            return;
        }
        getCamelContext().addStartupListener(new ExtendedStartupListener() {
            /// Called for each route that is added, too.
            @Override
            public void onCamelContextStarted(CamelContext context, boolean alreadyStarted) {}

            @Override
            public void onCamelContextFullyStarted(CamelContext context, boolean alreadyStarted) {
                // Not before: until its routes are there the router would answer 404, to health checks too.
                port.serve(router);
            }
        });
    }

    private static void failed(RoutingContext request) {
        var error = JsonError.of(request.failure());
        if (error == null) {
            LOG.error(
                    "failed request={} path={}",
                    RequestId.of(request.response()),
                    request.normalizedPath(),
                    request.failure());
            error = JsonError.internal();
        }
        error.answer(request.request());
    }

    private static void methodNotAllowed(Router router, RoutingContext request) {
        var allowed = new TreeSet<String>();
        for (var route : router.getRoutes()) {
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
        JsonError.of(
                        405,
                        "method_not_allowed",
                        request.request().method() + " is not served at " + request.normalizedPath() + "; it takes "
                                + list)
                .answer(request.request());
    }

    /// Whether `path` is one that a route of `pattern` serves: `/rooms/:room` serves `/rooms/7`.
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

    @Override
    protected void stopServer() {
        port.close();
    }

    @Override
    public @Nullable HttpServer getServer() {
        return port.server();
    }

    @Override
    public int getPort() {
        return port.isListening() ? port.port() : configuration.getBindPort();
    }
}
