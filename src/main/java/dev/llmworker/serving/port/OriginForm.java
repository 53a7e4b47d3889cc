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
    private static final String SCHEME_END = "://";
    /// What ends the host of a target.
    private static final String HOST_ENDS = "/?#";

    private final String path;
    private final String uri;

    private OriginForm(HttpServerRequestInternal request, String path, String uri) {
        super(request);
        this.path = path;
        this.uri = uri;
    }

    static HttpServerRequest of(HttpServerRequest request) {
        var sent = request.uri();
        // Two slashes would begin the name of a host.
        if (sent.startsWith("/") && !sent.startsWith("//")
                || !(request instanceof HttpServerRequestInternal absolute)) {
            return request;
        }
        var path = path(sent, request.path() == null ? "/" : request.path());
        var query = request.query();
        var single = path;
        while (single.startsWith("//")) {
            single = single.substring(1);
        }
        return new OriginForm(absolute, path, query == null ? single : single + '?' + query);
    }

    /// The path of an absolute target. Vert.x looks for it in the query if there is none: of `http://host?x=/ping` it
    /// would be `/ping`.
    private static String path(String target, String found) {
        var scheme = target.startsWith("/") ? -1 : target.indexOf(SCHEME_END);
        if (scheme < 0) {
            return found;
        }
        for (var at = scheme + SCHEME_END.length(); at < target.length(); at++) {
            if (HOST_ENDS.indexOf(target.charAt(at)) >= 0) {
                return target.charAt(at) == '/' ? found : "/";
            }
        }
        return "/";
    }

    @Override
    public String path() {
        return path;
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
