package dev.llmworker.serving.port;

import dev.llmworker.generation.RefusedException;
import dev.llmworker.serving.access.Access;
import dev.llmworker.serving.connection.Drain;
import dev.llmworker.serving.wire.ContentType;
import dev.llmworker.serving.wire.ControlNames;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.serving.wire.RequestId;
import dev.llmworker.stats.HttpStats;
import io.netty.handler.codec.http.QueryStringDecoder;
import io.netty.handler.codec.http.TooLongHttpHeaderException;
import io.netty.handler.codec.http.TooLongHttpLineException;
import io.vertx.core.AsyncResult;
import io.vertx.core.Future;
import io.vertx.core.Handler;
import io.vertx.core.MultiMap;
import io.vertx.core.Promise;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpVersion;
import io.vertx.core.http.ServerWebSocket;
import io.vertx.core.http.impl.Http1xServerConnection;
import io.vertx.core.http.impl.HttpServerRequestInternal;
import io.vertx.core.http.impl.HttpServerRequestWrapper;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Sees each request first, also while Camel starts. It sets the request's id, rejects what no route should see, and
/// removes headers that Camel would take for its own.
///
/// Threading: the event loops.
public final class RequestFilter implements Handler<HttpServerRequest> {

    private static final Logger LOG = LoggerFactory.getLogger(RequestFilter.class);
    private static final String PING = "/ping";
    private static final int MAX_ID_LENGTH = 128;
    /// Of two keys one reader would take the first, another the last.
    private static final List<String> AT_MOST_ONCE = List.of("Authorization", "X-API-Key");

    private final Access access;
    private final Drain drain;
    private final Set<String> healthPaths;
    private final @Nullable String workerId;
    private final HttpStats stats;
    private volatile @Nullable Handler<HttpServerRequest> router;
    private volatile boolean pinged;

    /// @param healthPaths answered as `/ping` is
    RequestFilter(Access access, Drain drain, Set<String> healthPaths, @Nullable String workerId, HttpStats stats) {
        this.access = access;
        this.drain = drain;
        this.healthPaths = Set.copyOf(healthPaths);
        this.workerId = workerId;
        this.stats = stats;
    }

    void serve(Handler<HttpServerRequest> router) {
        this.router = router;
    }

    boolean wasPinged() {
        return pinged;
    }

    @Override
    public void handle(HttpServerRequest sent) {
        identify(sent);
        var target = OriginForm.of(sent);
        var request = healthPaths.contains(target.path()) && target instanceof HttpServerRequestInternal health
                ? new AsPing(health)
                : target;
        if (!pinged && PING.equals(request.path())) {
            pinged = true;
        }
        var refusal = refusal(request);
        if (refusal != null) {
            answer(request, refusal);
            return;
        }
        var admitted = access.admitted(request);
        if (admitted == null) {
            HttpMeter.record(stats, request, HttpStats.NO_ROUTE);
            return;
        }
        var stopping = drain.refusal(admitted);
        if (stopping != null) {
            answer(admitted, stopping);
            return;
        }
        removeControlNames(admitted.headers());
        var routes = router;
        if (routes == null) {
            handleWhileStarting(admitted);
        } else {
            routes.handle(
                    admitted.method() == HttpMethod.HEAD && admitted instanceof HttpServerRequestInternal head
                            ? new HeadAsGet(head)
                            : LiveHandshake.of(admitted));
        }
    }

    private static void removeControlNames(MultiMap headers) {
        List<String> found = List.of();
        for (var header : headers) {
            if (ControlNames.isControl(header.getKey())) {
                found = found.isEmpty() ? new ArrayList<>() : found;
                found.add(header.getKey());
            }
        }
        found.forEach(headers::remove);
    }

    /// Handles requests to the health port, which serves `/ping` and its aliases only.
    void handleHealth(HttpServerRequest request) {
        if (PING.equals(request.path()) || healthPaths.contains(request.path())) {
            handle(request);
        } else {
            identify(request);
            var served = new TreeSet<>(healthPaths);
            served.add(PING);
            answer(
                    request,
                    JsonError.of(404, "not_found", "only " + String.join(", ", served) + " are served at this port"));
        }
    }

    /// Answers requests that are not valid HTTP, or whose head is too large or does not fit into the memory.
    void handleInvalid(HttpServerRequest request) {
        identify(request);
        var error = switch (request.decoderResult().cause()) {
            case TooLongHttpLineException _ ->
                JsonError.of(414, "uri_too_long", "the request line is longer than 16384 bytes");
            case TooLongHttpHeaderException _ ->
                JsonError.of(431, "headers_too_large", "the headers are longer than 16384 bytes");
            case RefusedException refused -> JsonError.refused(refused);
            case null, default -> JsonError.of(400, "bad_request", "the request is not valid HTTP");
        };
        answer(request, error);
    }

    private void answer(HttpServerRequest request, JsonError error) {
        error.answer(request);
        HttpMeter.record(stats, request, HttpStats.NO_ROUTE);
    }

    private static boolean isSaneId(String id) {
        return !id.isEmpty()
                && id.length() <= MAX_ID_LENGTH
                && id.chars().allMatch(c -> c < 0x80 && Character.isLetterOrDigit(c) || "._-".indexOf(c) >= 0);
    }

    private void identify(HttpServerRequest request) {
        var id = request.getHeader(RequestId.HEADER);
        var headers = request.response().headers();
        headers.set(
                RequestId.HEADER,
                id != null && isSaneId(id)
                        ? id
                        : HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextLong()));
        if (workerId != null) {
            headers.set("X-Worker-Id", workerId);
        }
    }

    private void handleWhileStarting(HttpServerRequest request) {
        var method = request.method();
        if (!PING.equals(request.path())) {
            answer(request, new JsonError(503, "loading", "the worker is starting", 1));
        } else if (method == HttpMethod.GET || method == HttpMethod.HEAD) {
            request.response().setStatusCode(204).end();
            HttpMeter.record(stats, request, PING);
        } else {
            request.response().putHeader("Allow", "GET, HEAD");
            answer(request, JsonError.of(405, "method_not_allowed", method + " is not served at /ping"));
        }
    }

    private static @Nullable JsonError refusal(HttpServerRequest request) {
        var head = headRefusal(request);
        if (head != null) {
            return head;
        }
        var query = request.query();
        var refusal = query == null ? null : queryRefusal(query);
        if (refusal != null) {
            return refusal;
        }
        return contentTypeRefusal(request);
    }

    /// Checks a request's head beyond what the codec checks. It rejects a head that two readers could understand
    /// differently: for which host it is, or where the next request begins.
    private static @Nullable JsonError headRefusal(HttpServerRequest request) {
        var headers = request.headers();
        var framing = framing(request.version(), headers);
        if (framing != null) {
            // It is unclear where the body ends, so nothing after it can be read.
            var response = request.response();
            response.putHeader("Connection", "close")
                    .endHandler(_ -> request.connection().close());
            return bad(framing);
        }
        if (headers.contains("")) {
            return bad("a header has no name");
        }
        var hosts = headers.getAll("Host").size();
        if (hosts > 1 || hosts == 0 && request.version() == HttpVersion.HTTP_1_1) {
            return bad("the request has " + hosts + " Host headers; it must have one");
        }
        for (var name : AT_MOST_ONCE) {
            var lines = headers.getAll(name).size();
            if (lines > 1) {
                return bad("the request has " + lines + " " + name + " headers; it may have one");
            }
        }
        var encoding = headers.get("Content-Encoding");
        if (encoding != null && !encoding.strip().equalsIgnoreCase("identity")) {
            return JsonError.of(
                    415,
                    "unsupported_media_type",
                    "Content-Encoding is \"" + RequestFields.shortened(encoding) + "\"; bodies must not be encoded");
        }
        return null;
    }

    private static @Nullable String framing(HttpVersion version, MultiMap headers) {
        var coding = headers.get("Transfer-Encoding");
        if (coding == null) {
            return null;
        }
        if (headers.contains("Content-Length")) {
            return "the request has both Content-Length and Transfer-Encoding; it must have one";
        }
        if (version == HttpVersion.HTTP_1_0) {
            return "HTTP/1.0 has no Transfer-Encoding";
        }
        if (!coding.strip().equalsIgnoreCase("chunked")) {
            return "Transfer-Encoding is \"" + RequestFields.shortened(coding) + "\"; it must be chunked";
        }
        return null;
    }

    private static JsonError bad(String message) {
        return JsonError.of(400, "bad_request", message);
    }

    private static @Nullable JsonError queryRefusal(String query) {
        try {
            // The router decodes it the same way. Otherwise a name could pass here and mean something else there.
            for (var name : new QueryStringDecoder(query, StandardCharsets.UTF_8, false)
                    .parameters()
                    .keySet()) {
                if (ControlNames.isControl(name)) {
                    return JsonError.of(
                            400,
                            "forbidden_parameter",
                            "the query parameter " + RequestFields.shortened(name) + " is not allowed");
                }
            }
            return null;
        } catch (IllegalArgumentException _) {
            return JsonError.of(400, "bad_request", "the query is not validly percent-encoded");
        }
    }

    /// Bodies are JSON, whatever type a bare `curl -d` declares. Camel would make a header of each field of a form.
    private static @Nullable JsonError contentTypeRefusal(HttpServerRequest request) {
        var headers = request.headers();
        var sent = headers.get("Content-Type");
        if (sent == null) {
            return null;
        }
        var method = request.method();
        if (method == HttpMethod.GET || method == HttpMethod.HEAD) {
            headers.remove("Content-Type");
            return null;
        }
        var refusal = ContentType.refusal(sent);
        if (refusal == null) {
            headers.set("Content-Type", JsonError.CONTENT_TYPE);
        }
        return refusal;
    }

    /// A request to an alias of `/ping` as everything behind it sees it.
    private static final class AsPing extends HttpServerRequestWrapper {
        private final String uri;

        AsPing(HttpServerRequestInternal health) {
            super(health);
            var query = health.query();
            uri = query == null ? PING : PING + '?' + query;
        }

        @Override
        public String path() {
            return PING;
        }

        @Override
        public String uri() {
            return uri;
        }
    }

    /// A HEAD request as routes see it. A route that answers GET answers HEAD too; Vert.x leaves out the body.
    private static final class HeadAsGet extends HttpServerRequestWrapper {
        HeadAsGet(HttpServerRequestInternal head) {
            super(head);
        }

        @Override
        public HttpMethod method() {
            return HttpMethod.GET;
        }
    }

    /// A WebSocket handshake that nobody hears of if its client has disconnected meanwhile. A closed socket takes no
    /// handlers: Camel's component would throw, and keep the socket for ever.
    ///
    /// One look is enough: Vert.x answers a handshake, and tells of it, before its event loop learns of anything
    /// else.
    private static final class LiveHandshake extends HttpServerRequestWrapper {
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
            if (isGone()) {
                LOG.debug("the client disconnected before its WebSocket handshake was answered");
                return Promise.<ServerWebSocket>promise().future();
            }
            return super.toWebSocket();
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
}
