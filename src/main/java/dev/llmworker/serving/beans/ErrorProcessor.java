package dev.llmworker.serving.beans;

import dev.llmworker.serving.camel.ClientResponse;
import dev.llmworker.serving.camel.PortWebsocketConsumer;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestId;
import dev.llmworker.serving.wire.RequestLog;
import io.vertx.core.http.HttpServerResponse;
import java.nio.charset.StandardCharsets;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;
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
        if (error == null) {
            var response = ClientResponse.of(exchange);
            LOG.error(
                    "failed route={} request={}",
                    exchange.getFromRouteId(),
                    response == null ? exchange.getExchangeId() : requestId(response),
                    failure);
            error = JsonError.internal();
        }
        var connection = PortWebsocketConsumer.connection(exchange);
        var id = connection == null ? ClientResponse.requestId(exchange) : connection.requestId();
        RequestLog.refused(id, exchange.getFromRouteId(), error);
        if (connection == null) {
            answer(exchange, error);
        } else {
            connection.send(error.json());
        }
    }

    private static String requestId(HttpServerResponse response) {
        return RequestId.of(response);
    }

    static void answer(Exchange exchange, JsonError error) {
        var message = exchange.getMessage();
        message.setHeader(Exchange.HTTP_RESPONSE_CODE, error.status());
        message.setHeader(Exchange.CONTENT_TYPE, JsonError.CONTENT_TYPE);
        if (error.retryAfterSeconds() > 0) {
            message.setHeader("Retry-After", error.retryAfterSeconds());
        }
        message.setBody(error.jsonFor(ClientResponse.path(exchange)).getBytes(StandardCharsets.UTF_8));
    }
}
