package dev.llmworker.serving.beans;

import dev.llmworker.serving.camel.ClientResponse;
import dev.llmworker.serving.delivery.Caller;
import dev.llmworker.serving.delivery.EventStream;
import dev.llmworker.serving.delivery.Generations;
import dev.llmworker.serving.wire.FrameForm;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.serving.wire.WireFormat;
import java.util.Map;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;

/// The bean `stream`: answers the HTTP client token by token, as server-sent events, and ends the route. The body is as
/// the bean `generate` takes it. A client that leaves ends its generation.
final class StreamProcessor implements Processor {
    private final Generations generations;

    StreamProcessor(Generations generations) {
        this.generations = generations;
    }

    @Override
    public void process(Exchange exchange) {
        var message = exchange.getMessage();
        var response = ClientResponse.of(exchange);
        if (response == null) {
            throw new IllegalStateException("the bean stream serves routes from platform-http only");
        }
        var body = message.getBody() instanceof Map<?, ?> fields
                ? fields
                : Map.of("prompt", String.valueOf(message.getBody(String.class)));
        var details = new RequestFields(body).flag("details", false);
        var request = WireFormat.request(body).withRequestId(ClientResponse.requestId(exchange));
        new EventStream(response, new FrameForm(details)).run(generations, request, Caller.of(exchange));
        exchange.setRouteStop(true);
    }
}
