package dev.llmworker.serving.access;

import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestFields;
import io.netty.handler.codec.http.QueryStringDecoder;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.impl.HttpServerRequestInternal;
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
    private static final Object LABEL = new Object();

    private final ApiKeys keys;
    private final Origins origins;
    private final PathRules rules;

    public Access(ApiKeys keys, Origins origins, PathRules rules) {
        this.keys = keys;
        this.rules = rules;
        this.origins = origins;
    }

    /// The label of the key that `request` came with; null if no key is needed.
    public static @Nullable String keyLabel(HttpServerRequest request) {
        return request instanceof HttpServerRequestInternal internal
                ? internal.context().getLocal(LABEL)
                : null;
    }

    /// Answers what is not to go further: requests that are refused, and the browser's question whether it may ask.
    ///
    /// @return whether the request may go on
    public boolean admits(HttpServerRequest request) {
        if (!origins.areListed() && !keys.areWanted()) {
            return true;
        }
        if (origins.areListed()) {
            var origin = origins.allowedOrigin(request);
            addCorsHeaders(request, origin);
            if (isPreflight(request)) {
                answerPreflight(request, origin);
                return false;
            }
        }
        var handshake = isHandshake(request);
        if (handshake && !origins.mayConnect(request)) {
            originRefused(request).answer(request);
            return false;
        }
        return !keys.areWanted() || hasKey(request, handshake);
    }

    private void addCorsHeaders(HttpServerRequest request, @Nullable String origin) {
        var headers = request.response().headers();
        // A cache must not give one site the answer that another got.
        headers.add("Vary", "Origin");
        if (origin != null) {
            headers.set("Access-Control-Allow-Origin", origin)
                    .set("Access-Control-Expose-Headers", "X-Request-Id, X-Worker-Id, Retry-After");
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

    private static JsonError originRefused(HttpServerRequest request) {
        return JsonError.of(
                403,
                "origin_not_allowed",
                "the origin " + RequestFields.shortened(String.valueOf(request.getHeader("Origin")))
                        + " is not on the worker's list");
    }

    public static boolean isHandshake(HttpServerRequest request) {
        var upgrade = request.getHeader("Upgrade");
        return upgrade != null && upgrade.strip().equalsIgnoreCase("websocket");
    }

    private boolean hasKey(HttpServerRequest request, boolean handshake) {
        var candidates = candidates(request, handshake);
        var label = keys.label(candidates);
        // No route sees them, and so none can log them or send them on.
        request.headers().remove(KEY_HEADER);
        if (isBearer(request.getHeader(AUTHORIZATION))) {
            request.headers().remove(AUTHORIZATION);
        }
        if (label != null) {
            if (request instanceof HttpServerRequestInternal internal) {
                internal.context().putLocal(LABEL, label);
            }
            return true;
        }
        if (rules.has(PathRules.Rule.KEYLESS, request)) {
            return true;
        }
        request.response().putHeader("WWW-Authenticate", "Bearer");
        var ways = "send a key as X-API-Key or as Authorization: Bearer" + (handshake ? ", or as ?token=" : "");
        (candidates.isEmpty()
                        ? JsonError.of(401, "missing_api_key", "the API key is missing; " + ways)
                        : JsonError.of(401, "invalid_api_key", "the API key is wrong; " + ways))
                .answer(request);
        return false;
    }

    /// Any of them may be the one: a proxy in front may want an `Authorization` of its own.
    private static List<String> candidates(HttpServerRequest request, boolean handshake) {
        var candidates = new ArrayList<String>(1);
        request.headers().getAll(KEY_HEADER).forEach(value -> candidates.add(value.strip()));
        for (var value : request.headers().getAll(AUTHORIZATION)) {
            if (isBearer(value)) {
                candidates.add(value.substring(BEARER.length()).strip());
            }
        }
        var query = request.query();
        if (handshake && query != null) {
            candidates.addAll(new QueryStringDecoder(query, StandardCharsets.UTF_8, false)
                    .parameters()
                    .getOrDefault("token", List.of()));
        }
        return candidates;
    }

    private static boolean isBearer(@Nullable String authorization) {
        return authorization != null && authorization.regionMatches(true, 0, BEARER, 0, BEARER.length());
    }
}
