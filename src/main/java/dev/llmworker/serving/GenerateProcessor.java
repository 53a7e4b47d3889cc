package dev.llmworker.serving;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationRequest;
import io.vertx.core.http.HttpServerResponse;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;
import org.jspecify.annotations.Nullable;

/// The bean `generate`: from a prompt to the whole text. The body is a `Map` with the fields of a request, or a
/// `String` that is the prompt; it becomes a `Map` with `generated_text`, and with `finish_reason`, `usage` and
/// `timings` where the request has `"details": true`. An HTTP client that leaves ends its generation.
///
/// As the bean `generateOrStream` it answers a request that has `"stream": true` itself, token by token, as server-sent
/// events: the route ends there. It is a bean of its own, so that no client gets past the steps that come after
/// `generate` in a route.
final class GenerateProcessor implements Processor {
    static final String TEXT = "generated_text";

    private final Generations generations;
    private final boolean streams;

    GenerateProcessor(Generations generations, boolean streams) {
        this.generations = generations;
        this.streams = streams;
    }

    @Override
    public void process(Exchange exchange) {
        var fields = new RequestFields(fields(exchange.getMessage().getBody()));
        var request = WireFormat.request(fields.fields()).withRequestId(ClientResponse.requestId(exchange));
        var details = fields.flag("details", false);
        var stream = fields.flag("stream", false);
        var client = ClientResponse.of(exchange);
        if (streams && stream && client != null) {
            new EventStream(client, new FrameForm(details)).run(generations, request, Caller.of(exchange));
            exchange.setRouteStop(true);
        } else {
            exchange.getMessage().setBody(whole(request, details, client, Caller.of(exchange)));
        }
    }

    private Map<?, ?> whole(
            GenerationRequest request, boolean details, @Nullable HttpServerResponse client, Caller caller) {
        var answer = new WholeAnswer(client);
        var finished = generations.run(request, caller, answer);
        if (finished.reason() == FinishReason.ERROR) {
            throw new RequestException(JsonError.failed(finished));
        }
        if (!details) {
            return Map.of(TEXT, answer.text());
        }
        var body = new LinkedHashMap<Object, Object>();
        body.put(TEXT, answer.text());
        body.putAll(StrictJson.object("{" + answer.details(finished).json() + "}", "the details"));
        return body;
    }

    private static Map<?, ?> fields(@Nullable Object body) {
        return switch (body) {
            case Map<?, ?> fields -> fields;
            case String prompt -> Map.of("prompt", prompt);
            case null -> throw RequestException.invalid("the body is empty; it must be a JSON object");
            default ->
                throw new IllegalStateException("the bean generate takes a Map or a String, not "
                        + body.getClass().getName() + "; unmarshal the body first");
        };
    }
}
