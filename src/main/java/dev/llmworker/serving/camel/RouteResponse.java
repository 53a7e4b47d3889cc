package dev.llmworker.serving.camel;

import io.vertx.core.Future;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.ext.web.RoutingContext;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.List;
import org.apache.camel.Exchange;
import org.apache.camel.NoTypeConversionAvailableException;
import org.apache.camel.spi.HeaderFilterStrategy;
import org.apache.camel.support.ObjectHelper;
import org.apache.camel.support.http.HttpUtil;
import org.jspecify.annotations.Nullable;

/// Writes the message that a route has left in its exchange as the answer to an HTTP request.
///
/// Threading: the event loop. A body that is a stream is read on a virtual thread.
final class RouteResponse {
    private static final int CHUNK_BYTES = 16 << 10;

    private RouteResponse() {}

    /// @return done when the answer is handed to the connection
    static Future<Void> write(Exchange exchange, RoutingContext request, HeaderFilterStrategy filter) {
        var response = request.response();
        // The route has answered itself, by a stream of events, or its timeout has.
        if (response.ended()) {
            return Future.succeededFuture();
        }
        try {
            var message = exchange.getMessage();
            response.setStatusCode(HttpUtil.determineResponseCode(exchange, message.getBody()));
            copyHeaders(exchange, request, filter);
            var type = message.getHeader(Exchange.CONTENT_TYPE, String.class);
            if (type != null) {
                response.putHeader("Content-Type", type);
            }
            return writeBody(exchange, request);
        } catch (Exception e) {
            return Future.failedFuture(e);
        }
    }

    private static void copyHeaders(Exchange exchange, RoutingContext request, HeaderFilterStrategy filter) {
        var converter = exchange.getContext().getTypeConverter();
        exchange.getMessage().getHeaders().forEach((name, value) -> {
            if (!request.pathParams().containsKey(name)) {
                // A list becomes several headers of one name; a text with commas does not.
                var values = ObjectHelper.createIterator(value, null, true);
                HttpUtil.applyHeader(
                        filter,
                        exchange,
                        values,
                        converter,
                        name,
                        (several, one) -> putHeader(request.response(), name, several, one));
            }
        });
    }

    private static void putHeader(
            HttpServerResponse response, String name, @Nullable List<String> several, @Nullable String one) {
        if (several != null) {
            response.putHeader(name, several);
        } else if (one != null) {
            response.putHeader(name, one);
        }
    }

    private static Future<Void> writeBody(Exchange exchange, RoutingContext request)
            throws NoTypeConversionAvailableException {
        switch (exchange.getMessage().getBody()) {
            case null -> request.end();
            case byte[] bytes -> end(request, Buffer.buffer(bytes));
            case String text -> end(request, Buffer.buffer(text));
            case Buffer buffer -> end(request, buffer);
            case ByteBuffer buffer -> {
                var bytes = new byte[buffer.remaining()];
                buffer.duplicate().get(bytes);
                end(request, Buffer.buffer(bytes));
            }
            case Object body -> {
                var stream =
                        exchange.getContext().getTypeConverter().mandatoryConvertTo(InputStream.class, exchange, body);
                return request.vertx().executeBlocking(() -> copy(stream, request), false);
            }
        }
        return Future.succeededFuture();
    }

    private static void end(RoutingContext request, Buffer body) {
        request.response().putHeader("Content-Length", Integer.toString(body.length()));
        request.end(body);
    }

    private static Void copy(InputStream stream, RoutingContext request) throws IOException {
        var response = request.response().setChunked(true);
        try (stream) {
            var chunk = new byte[CHUNK_BYTES];
            for (var read = stream.read(chunk); read >= 0; read = stream.read(chunk)) {
                // Waits if the client does not read.
                response.write(Buffer.buffer(read).appendBytes(chunk, 0, read))
                        .toCompletionStage()
                        .toCompletableFuture()
                        .join();
            }
        }
        request.end().toCompletionStage().toCompletableFuture().join();
        return null;
    }
}
