package dev.llmworker.serving.wire;

import io.vertx.core.http.HttpServerResponse;

/// The id of a request: every answer carries it, and the log names it.
public final class RequestId {
    public static final String HEADER = "X-Request-Id";

    private RequestId() {}

    /// The id that the port gave the request of `response`.
    public static String of(HttpServerResponse response) {
        return response.headers().get(HEADER);
    }
}
