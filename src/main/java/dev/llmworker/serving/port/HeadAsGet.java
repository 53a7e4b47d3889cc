package dev.llmworker.serving.port;

import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.impl.HttpServerRequestInternal;
import io.vertx.core.http.impl.HttpServerRequestWrapper;

/// A HEAD request as routes see it: they need not know of HEAD.
final class HeadAsGet extends HttpServerRequestWrapper {
    HeadAsGet(HttpServerRequestInternal head) {
        super(head);
    }

    @Override
    public HttpMethod method() {
        return HttpMethod.GET;
    }
}
