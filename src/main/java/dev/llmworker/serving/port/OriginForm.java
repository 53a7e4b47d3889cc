package dev.llmworker.serving.port;

import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.impl.HttpServerRequestInternal;
import io.vertx.core.http.impl.HttpServerRequestWrapper;
import org.jspecify.annotations.Nullable;

/// A request with an absolute target, as everything behind it sees it: the path and the query only. A route's `http:`
/// step takes its address from the target, so the host of an absolute target would choose where that step goes. The
/// placeholders that Camel would resolve there (CVE-2026-78164) have no braces any more: [StrictRequestDecoder] encodes
/// them.
final class OriginForm extends HttpServerRequestWrapper {
    private final String uri;

    private OriginForm(HttpServerRequestInternal request, String uri) {
        super(request);
        this.uri = uri;
    }

    static HttpServerRequest of(HttpServerRequest request) {
        var sent = request.uri();
        // Two slashes would begin the name of a host.
        if (sent.startsWith("/") && !sent.startsWith("//")
                || !(request instanceof HttpServerRequestInternal absolute)) {
            return request;
        }
        var path = request.path() == null ? "/" : request.path();
        while (path.startsWith("//")) {
            path = path.substring(1);
        }
        var query = request.query();
        return new OriginForm(absolute, query == null ? path : path + '?' + query);
    }

    @Override
    public String uri() {
        return uri;
    }

    @Override
    public @Nullable String absoluteURI() {
        var host = getHeader("Host");
        return host == null ? uri : scheme() + "://" + host + uri;
    }
}
