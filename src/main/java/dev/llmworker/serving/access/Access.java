package dev.llmworker.serving.access;

import dev.llmworker.serving.wire.HeaderLists;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestFields;
import io.netty.handler.codec.http.QueryStringDecoder;
import io.netty.util.NetUtil;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.impl.HttpServerRequestInternal;
import io.vertx.core.net.SocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Who may send requests: clients that have a key, and pages of the sites that are listed.
///
/// Every request needs a key, unless the route of its very path says that it needs none.
///
/// Threading: the event loops.
public final class Access {
    private static final String BEARER = "bearer ";
    private static final String KEY_HEADER = "X-API-Key";
    private static final String AUTHORIZATION = "Authorization";
    private static final String HEADER_WAYS = "send a key as X-API-Key or as Authorization: Bearer";
    private static final String METRICS = "/metrics";
    /// The headers of answers that a page of a listed site may read.
    private static final String EXPOSED = "X-Request-Id, X-Worker-Id, Retry-After, Mcp-Session-Id,"
            + " x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests,"
            + " x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens";
    private static final Object KEY = new Object();
    private static final Object BY_TOKEN = new Object();

    private final ApiKeys keys;
    private final ApiKeys metricsKeys;
    private final Origins origins;
    private final PathRules rules;

    /// @param metricsKeys also accepted at `/metrics`
    public Access(ApiKeys keys, ApiKeys metricsKeys, Origins origins, PathRules rules) {
        this.keys = keys;
        this.metricsKeys = metricsKeys;
        this.rules = rules;
        this.origins = origins;
    }

    /// The key that `request` came with; null if no key is needed.
    public static @Nullable ApiKey key(HttpServerRequest request) {
        return local(request, KEY);
    }

    /// Answers a request whose key came as `?token=`, if it is no WebSocket after all.
    ///
    /// @return whether the request may go on
    public static boolean admitsHttp(HttpServerRequest request) {
        if (local(request, BY_TOKEN) == null) {
            return true;
        }
        keyRefused(request, "missing", HEADER_WAYS);
        return false;
    }

    private static <T> @Nullable T local(HttpServerRequest request, Object name) {
        return request instanceof HttpServerRequestInternal internal
                ? internal.context().<T>getLocal(name)
                : null;
    }

    private static void putLocal(HttpServerRequest request, Object name, Object value) {
        if (request instanceof HttpServerRequestInternal internal) {
            internal.context().putLocal(name, value);
        }
    }

    /// Answers what is not to go further: requests that are refused, and the browser's question whether it may ask.
    ///
    /// @return the request as routes see it; null if it is answered
    public @Nullable HttpServerRequest admitted(HttpServerRequest request) {
        if (origins.areListed()) {
            var origin = origins.allowedOrigin(request);
            addCorsHeaders(request, origin);
            if (isPreflight(request)) {
                answerPreflight(request, origin);
                return null;
            }
        }
        var givesWork = isHandshake(request) || request.method() == HttpMethod.POST;
        if (givesWork && !origins.mayCall(request, isOnLoopback(request.localAddress()))) {
            originRefused(request).answer(request);
            return null;
        }
        if (!keys.areWanted() && !metricsKeys.areWanted()) {
            return request;
        }
        return hasKey(request) ? withoutKey(request) : null;
    }

    private void addCorsHeaders(HttpServerRequest request, @Nullable String origin) {
        var headers = request.response().headers();
        // A cache must not give one site the answer that another got.
        headers.add("Vary", "Origin");
        if (origin != null) {
            headers.set("Access-Control-Allow-Origin", origin).set("Access-Control-Expose-Headers", EXPOSED);
        }
    }

    private static boolean isPreflight(HttpServerRequest request) {
        return request.method() == HttpMethod.OPTIONS
                && request.headers().contains("Origin")
                && request.headers().contains("Access-Control-Request-Method");
    }

    /// It comes without a key, as browsers send none with it.
    private static void answerPreflight(HttpServerRequest request, @Nullable String origin) {
        if (origin == null) {
            originRefused(request).answer(request);
            return;
        }
        request.response()
                .setStatusCode(204)
                .putHeader("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE")
                // The star covers all but Authorization; the others are for browsers that do not know it.
                .putHeader("Access-Control-Allow-Headers", "Authorization, X-API-Key, Content-Type, X-Request-Id, *")
                .putHeader("Access-Control-Max-Age", "600")
                .end();
    }

    /// Whether a connection to `address` comes from this machine alone.
    static boolean isOnLoopback(@Nullable SocketAddress address) {
        var text = address == null ? null : address.hostAddress();
        var local = text == null ? null : NetUtil.createInetAddressFromIpAddressString(text);
        return local != null && local.isLoopbackAddress();
    }

    private static JsonError originRefused(HttpServerRequest request) {
        return JsonError.of(
                403,
                "origin_not_allowed",
                "the origin " + RequestFields.shortened(String.valueOf(request.getHeader("Origin")))
                        + " may not call this worker; to let its pages in, add it to ALLOWED_ORIGINS");
    }

    public static boolean isHandshake(HttpServerRequest request) {
        return HeaderLists.asksForWebSocket(request);
    }

    private boolean hasKey(HttpServerRequest request) {
        var handshake = isHandshake(request);
        var sent = sent(request);
        var tokens = handshake ? tokens(request) : List.<String>of();
        var key = keys.find(sent);
        if (key == null && METRICS.equals(request.path())) {
            key = metricsKeys.find(sent);
        }
        if (key == null) {
            key = keys.find(tokens);
            if (key != null) {
                putLocal(request, BY_TOKEN, true);
            }
        }
        if (key != null) {
            putLocal(request, KEY, key);
            return true;
        }
        if (!keys.areWanted() || rules.has(PathRules.Rule.KEYLESS, request)) {
            return true;
        }
        keyRefused(
                request,
                sent.isEmpty() && tokens.isEmpty() ? "missing" : "wrong",
                HEADER_WAYS + (handshake ? ", or as ?token=" : ""));
        return false;
    }

    private static void keyRefused(HttpServerRequest request, String problem, String ways) {
        request.response().putHeader("WWW-Authenticate", "Bearer");
        JsonError.of(
                        401,
                        problem.equals("missing") ? "missing_api_key" : "invalid_api_key",
                        "the API key is " + problem + "; " + ways)
                .answer(request);
    }

    /// No route sees a key, and so none can log it or send it on. What else `Authorization` may hold is nobody else's
    /// either: a client may have put its key there in a form that the worker does not accept.
    private static HttpServerRequest withoutKey(HttpServerRequest request) {
        request.headers().remove(KEY_HEADER).remove(AUTHORIZATION);
        return RequestWithoutToken.of(request);
    }

    /// The keys in the headers; the port has rejected requests that have one of them twice. Either may be the one: a
    /// proxy in front may want an `Authorization` of its own.
    private static List<String> sent(HttpServerRequest request) {
        var sent = new ArrayList<String>(2);
        var key = request.getHeader(KEY_HEADER);
        if (key != null) {
            sent.add(key.strip());
        }
        var authorization = request.getHeader(AUTHORIZATION);
        if (authorization != null && isBearer(authorization)) {
            sent.add(authorization.substring(BEARER.length()).strip());
        }
        return sent;
    }

    /// The first `token` of the query.
    private static List<String> tokens(HttpServerRequest request) {
        var query = request.query();
        return query == null
                ? List.of()
                : new QueryStringDecoder(query, StandardCharsets.UTF_8, false)
                        .parameters().getOrDefault(RequestWithoutToken.TOKEN, List.of()).stream()
                                .limit(1)
                                .toList();
    }

    private static boolean isBearer(String authorization) {
        return authorization.regionMatches(true, 0, BEARER, 0, BEARER.length());
    }
}
