package dev.llmworker.serving.beans;

import dev.llmworker.generation.Generator;
import dev.llmworker.generation.Readiness;
import dev.llmworker.serving.camel.EventLoopProcessor;
import dev.llmworker.serving.wire.JsonError;
import java.nio.charset.StandardCharsets;
import org.apache.camel.Exchange;

/// The bean `ping`: 200 when requests can be served, 204 while the model loads, 503 when it cannot be. It never waits.
record PingProcessor(Generator generator) implements EventLoopProcessor {
    private static final byte[] HEALTHY = "{\"status\":\"healthy\"}".getBytes(StandardCharsets.UTF_8);

    @Override
    public void process(Exchange exchange) {
        switch (generator.readiness()) {
            case Readiness.Ready() -> {
                exchange.getMessage().setHeader(Exchange.CONTENT_TYPE, JsonError.CONTENT_TYPE);
                exchange.getMessage().setBody(HEALTHY);
            }
            case Readiness.Loading() -> {
                exchange.getMessage().setHeader(Exchange.HTTP_RESPONSE_CODE, 204);
                exchange.getMessage().setBody(null);
            }
            case Readiness.Failed(var reason) ->
                ErrorProcessor.answer(exchange, JsonError.of(503, "engine_failed", reason));
        }
    }
}
