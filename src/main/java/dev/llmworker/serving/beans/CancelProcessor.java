package dev.llmworker.serving.beans;

import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.delivery.Generations;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import java.util.Map;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;

/// The bean `cancel`: ends the generations of the request whose id is the parameter `id` of the path. Only a client
/// with the request's API key may do so.
final class CancelProcessor implements Processor {
    private static final String ID = "id";

    private final Generations generations;

    CancelProcessor(Generations generations) {
        this.generations = generations;
    }

    @Override
    public void process(Exchange exchange) {
        var message = exchange.getMessage();
        var id = message.getHeader(ID, String.class);
        if (id == null) {
            throw new IllegalStateException("the bean cancel serves routes whose path has the parameter {id}");
        }
        if (!generations.cancel(id, Client.of(exchange))) {
            throw new RequestException(new JsonError(
                    404,
                    "unknown_id",
                    "no generation with the request id \"" + RequestFields.shortened(id) + "\" is running",
                    0,
                    ID));
        }
        message.setHeader(Exchange.HTTP_RESPONSE_CODE, 202);
        message.setBody(Map.of(ID, id, "status", "cancelled"));
    }
}
