package dev.llmworker.serving.port;

import dev.llmworker.stats.HttpStats;
import io.vertx.core.Handler;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.ext.web.RoutingContext;

/// Counts requests and their answers by route. The first handler of the router. A handshake that succeeds is counted as
/// a WebSocket, whose time says nothing of the handshake.
///
/// Threading: the event loops.
public final class HttpMeter implements Handler<RoutingContext> {
    /// What is counted as the answer to a client that left before it had one.
    private static final int CLIENT_LEFT = 499;
    private static final int SWITCHING_PROTOCOLS = 101;

    private final HttpStats stats;

    public HttpMeter(HttpStats stats) {
        this.stats = stats;
    }

    @Override
    public void handle(RoutingContext request) {
        var beganNanos = System.nanoTime();
        var response = request.response();
        response.endHandler(_ -> {
            if (response.getStatusCode() != SWITCHING_PROTOCOLS) {
                stats.recordAnswered(
                        request.request().method().name(),
                        route(request),
                        response.ended() ? response.getStatusCode() : CLIENT_LEFT,
                        System.nanoTime() - beganNanos);
            }
        });
        request.next();
    }

    /// The path as the route has it: what clients make up is no label.
    private static String route(RoutingContext request) {
        var route = request.currentRoute();
        var path = route == null ? null : route.getPath();
        return path == null ? HttpStats.NO_ROUTE : path;
    }

    /// Counts a request that is answered without the router.
    static void record(HttpStats stats, HttpServerRequest request, String route) {
        stats.recordAnswered(request.method().name(), route, request.response().getStatusCode(), 0);
    }
}
