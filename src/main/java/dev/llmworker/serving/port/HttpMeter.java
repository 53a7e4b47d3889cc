package dev.llmworker.serving.port;

import dev.llmworker.stats.HttpStats;
import io.vertx.core.Handler;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.ext.web.RoutingContext;

/// Counts requests and their answers by route. It is the router's first handler. A successful handshake is not counted
/// here: its response ends when the WebSocket closes, so its time would mean nothing.
///
/// Threading: the event loops.
public record HttpMeter(HttpStats stats) implements Handler<RoutingContext> {
    /// The status counted if the client disconnected before it had an answer.
    private static final int CLIENT_LEFT = 499;
    private static final int SWITCHING_PROTOCOLS = 101;

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

    /// The route's path pattern. A client's own path must not become a label.
    private static String route(RoutingContext request) {
        var route = request.currentRoute();
        var path = route == null ? null : route.getPath();
        return path == null ? HttpStats.NO_ROUTE : path;
    }

    /// Counts a request that was answered without the router.
    static void record(HttpStats stats, HttpServerRequest request, String route) {
        stats.recordAnswered(request.method().name(), route, request.response().getStatusCode(), 0);
    }
}
