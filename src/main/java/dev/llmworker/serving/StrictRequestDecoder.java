package dev.llmworker.serving;

import io.netty.handler.codec.http.HttpMessage;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.impl.VertxHttpRequestDecoder;

/// Leaves `Content-Length` where a request has `Transfer-Encoding` too, so that [Gate] sees both and refuses. The
/// codec would drop it and go on: what a proxy in front took for the body of one request could then be read as the
/// next.
final class StrictRequestDecoder extends VertxHttpRequestDecoder {
    StrictRequestDecoder(HttpServerOptions options) {
        super(options);
    }

    @Override
    protected void handleTransferEncodingChunkedWithContentLength(HttpMessage message) {}
}
