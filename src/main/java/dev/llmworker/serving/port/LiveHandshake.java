package dev.llmworker.serving.port;

import dev.llmworker.serving.access.Access;
import io.vertx.core.AsyncResult;
import io.vertx.core.Future;
import io.vertx.core.Handler;
import io.vertx.core.Promise;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.ServerWebSocket;
import io.vertx.core.http.impl.Http1xServerConnection;
import io.vertx.core.http.impl.HttpServerRequestInternal;
import io.vertx.core.http.impl.HttpServerRequestWrapper;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A WebSocket handshake that nobody hears of if its client has disconnected meanwhile. A closed socket takes no
/// handlers: Camel's component would throw, and keep the socket for ever.
final class LiveHandshake extends HttpServerRequestWrapper {
    private static final Logger LOG = LoggerFactory.getLogger(LiveHandshake.class);

    private LiveHandshake(HttpServerRequestInternal request) {
        super(request);
    }

    static HttpServerRequest of(HttpServerRequest request) {
        return request instanceof HttpServerRequestInternal handshake && Access.isHandshake(request)
                ? new LiveHandshake(handshake)
                : request;
    }

    @Override
    public Future<ServerWebSocket> toWebSocket() {
        var live = Promise.<ServerWebSocket>promise();
        if (isGone()) {
            LOG.debug("the client disconnected before its WebSocket handshake was answered");
            return live.future();
        }
        super.toWebSocket().onComplete(upgrade -> {
            if (upgrade.succeeded() ? upgrade.result().isClosed() : isGone()) {
                LOG.debug("the client disconnected during its WebSocket handshake", upgrade.cause());
            } else {
                live.handle(upgrade);
            }
        });
        return live.future();
    }

    /// Asks the channel: Vert.x itself learns of it one handler after the other.
    private boolean isGone() {
        return connection() instanceof Http1xServerConnection http
                && !http.channel().isActive();
    }

    @Override
    public void toWebSocket(Handler<AsyncResult<ServerWebSocket>> handler) {
        toWebSocket().onComplete(handler);
    }
}
