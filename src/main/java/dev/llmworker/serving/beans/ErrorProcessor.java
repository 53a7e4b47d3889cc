package dev.llmworker.serving.beans;

import com.fasterxml.jackson.core.JacksonException;
import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.connection.HttpClient;
import dev.llmworker.serving.connection.WebSocketClient;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestLog;
import java.nio.charset.StandardCharsets;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The bean `errors`: turns what a route throws into the JSON error of its kind, for HTTP and WebSocket. What is not
/// the client's fault is logged, and the client told no more than that it happened.
final class ErrorProcessor implements Processor {
    private static final Logger LOG = LoggerFactory.getLogger(ErrorProcessor.class);

    @Override
    public void process(Exchange exchange) {
        var failure = exchange.getProperty(Exchange.EXCEPTION_CAUGHT, Exception.class);
        var error = failure == null ? JsonError.internal() : JsonError.of(failure);
        if (error == null && isBodyOfClient(exchange, failure)) {
            error = JsonError.of(400, "invalid_request", "the body is not the JSON that its route expects");
        }
        var client = Client.of(exchange);
        if (error == null) {
            var id = client instanceof Client.Nobody ? exchange.getExchangeId() : client.requestId();
            LOG.error("failed route={} request={}", exchange.getFromRouteId(), id, failure);
            error = JsonError.internal();
        }
        RequestLog.refused(client.requestId(), exchange.getFromRouteId(), error);
        if (client instanceof WebSocketClient webSocket) {
            webSocket.connection().send(error.json());
        } else {
            answer(exchange, error);
        }
    }

    /// Whether Camel's own data format `json` could not read what a client has sent. After a step that called another
    /// service, it may be that service's answer.
    private static boolean isBodyOfClient(Exchange exchange, @Nullable Exception failure) {
        return failure instanceof JacksonException && exchange.getProperty(Exchange.TO_ENDPOINT) == null;
    }

    static void answer(Exchange exchange, JsonError error) {
        var message = exchange.getMessage();
        message.setHeader(Exchange.HTTP_RESPONSE_CODE, error.status());
        message.setHeader(Exchange.CONTENT_TYPE, JsonError.CONTENT_TYPE);
        if (error.retryAfterSeconds() > 0) {
            message.setHeader("Retry-After", error.retryAfterSeconds());
        }
        var path = Client.of(exchange) instanceof HttpClient http ? http.path() : null;
        message.setBody(error.jsonFor(path).getBytes(StandardCharsets.UTF_8));
    }
}
