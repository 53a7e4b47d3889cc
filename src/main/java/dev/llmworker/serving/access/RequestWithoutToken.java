package dev.llmworker.serving.access;

import io.netty.handler.codec.http.QueryStringDecoder;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.impl.HttpServerRequestInternal;
import io.vertx.core.http.impl.HttpServerRequestWrapper;
import java.util.ArrayList;
import org.jspecify.annotations.Nullable;

/// A request as routes see it: its target has no query parameter `token`, in whatever spelling, and no fragment.
final class RequestWithoutToken extends HttpServerRequestWrapper {
    static final String TOKEN = "token";

    private final String uri;

    private RequestWithoutToken(HttpServerRequestInternal request, String uri) {
        super(request);
        this.uri = uri;
    }

    static HttpServerRequest of(HttpServerRequest request) {
        var uri = without(request.uri());
        if (uri.equals(request.uri()) || !(request instanceof HttpServerRequestInternal internal)) {
            return request;
        }
        internal.params().remove(TOKEN);
        return new RequestWithoutToken(internal, uri);
    }

    /// Whoever splits the query sees the same parameters as [QueryStringDecoder], which takes `;` for `&`.
    static String without(String uri) {
        var end = uri.indexOf('#');
        var target = end < 0 ? uri : uri.substring(0, end);
        var query = target.indexOf('?');
        if (query < 0) {
            return target;
        }
        var kept = new ArrayList<String>();
        var start = query + 1;
        var found = false;
        for (var at = start; at <= target.length(); at++) {
            if (at == target.length() || target.charAt(at) == '&' || target.charAt(at) == ';') {
                var parameter = target.substring(start, at);
                if (isToken(parameter)) {
                    found = true;
                } else {
                    kept.add(parameter);
                }
                start = at + 1;
            }
        }
        if (!found) {
            return target;
        }
        return target.substring(0, query) + (kept.isEmpty() ? "" : "?" + String.join("&", kept));
    }

    private static boolean isToken(String parameter) {
        var end = parameter.indexOf('=');
        var name = end < 0 ? parameter : parameter.substring(0, end);
        try {
            return QueryStringDecoder.decodeComponent(name).strip().equalsIgnoreCase(TOKEN);
        } catch (IllegalArgumentException _) {
            // Nobody can tell what it means.
            return true;
        }
    }

    @Override
    public String uri() {
        return uri;
    }

    @Override
    public @Nullable String query() {
        var at = uri.indexOf('?');
        return at < 0 ? null : uri.substring(at + 1);
    }

    @Override
    public @Nullable String absoluteURI() {
        var absolute = super.absoluteURI();
        return absolute == null ? null : without(absolute);
    }
}
