package dev.llmworker.serving.beans;

import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.connection.Requests;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import java.util.Map;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;

/// The bean `cancel`: ends the requests whose id is the parameter `id` of the path. Only a client
/// with the request's API key may do so.
final class CancelProcessor implements Processor {
    private static final String ID = "id";

    private final Requests requests;

    CancelProcessor(Requests requests) {
        this.requests = requests;
    }

    @Override
    public void process(Exchange exchange) {
        var message = exchange.getMessage();
        var id = message.getHeader(ID, String.class);
        if (id == null) {
            throw new IllegalStateException("the bean cancel serves routes whose path has the parameter {id}");
        }
        if (!requests.cancel(id, Client.of(exchange))) {
            throw new RequestException(new JsonError(
                    404,
                    "unknown_id",
                    "no request with the id \"" + RequestFields.shortened(id) + "\" is running",
                    0,
                    ID));
        }
        message.setHeader(Exchange.HTTP_RESPONSE_CODE, 202);
        message.setBody(Map.of(ID, id, "status", "cancelled"));
    }
}
