package dev.llmworker.serving.beans;

import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.connection.HttpClient;
import dev.llmworker.serving.delivery.Caller;
import dev.llmworker.serving.delivery.Generations;
import dev.llmworker.serving.delivery.SseWriter;
import dev.llmworker.serving.delivery.WholeAnswer;
import dev.llmworker.serving.request.WireFormat;
import dev.llmworker.serving.wire.FrameWriter;
import dev.llmworker.serving.wire.ParsedBody;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;
import org.jspecify.annotations.Nullable;

/// The beans `generate`, `stream` and `generateOrStream`: from a prompt to a text. The body is a `Map` with the fields
/// of a request, or a `String` that is the prompt. Generation stops when an HTTP client disconnects.
///
/// A whole text becomes the body, a `Map` with `generated_text`, and with `finish_reason`, `usage` and `timings` if the
/// request has `"details": true`. A streamed one goes to the client as server-sent events, and ends the route.
///
/// Threading: any thread but an event loop.
record GenerateProcessor(Generations generations, Mode mode) implements Processor {
    static final String TEXT = "generated_text";

    /// How the client is answered.
    enum Mode {
        /// The bean `generate`. It never streams, so that no client gets past the steps that follow it in a route.
        WHOLE,
        /// The bean `stream`.
        STREAM,
        /// The bean `generateOrStream` of the route `/generate`: a request with `"stream": true` is streamed.
        AS_ASKED
    }

    @Override
    public void process(Exchange exchange) {
        var fields = new RequestFields(fields(exchange.getMessage().getBody()));
        var client = Client.of(exchange);
        var request = WireFormat.request(fields.fields()).withRequestId(client.requestId());
        var details = fields.flag("details", false);
        var asked = fields.flag("stream", false);
        switch (mode) {
            case WHOLE -> whole(request, details, exchange);
            case STREAM -> {
                if (!(client instanceof HttpClient http)) {
                    throw new IllegalStateException("the bean stream serves routes from platform-http only");
                }
                stream(request, details, http, exchange);
            }
            case AS_ASKED -> {
                if (asked && client instanceof HttpClient http) {
                    stream(request, details, http, exchange);
                } else {
                    ParsedBody.drop(exchange);
                    whole(request, details, exchange);
                }
            }
        }
    }

    private void stream(GenerationRequest request, boolean details, HttpClient client, Exchange exchange) {
        ParsedBody.drop(exchange);
        SseWriter.stream(generations, request, Caller.of(exchange).route(), client, new FrameWriter(details));
        exchange.setRouteStop(true);
    }

    private void whole(GenerationRequest request, boolean details, Exchange exchange) {
        var answer = new WholeAnswer(Caller.of(exchange));
        var ending = answer.run(generations, request);
        var body = new LinkedHashMap<String, Object>();
        body.put(TEXT, answer.text());
        if (details) {
            body.putAll(ending.details());
        }
        exchange.getMessage().setBody(body);
    }

    private static Map<?, ?> fields(@Nullable Object body) {
        return switch (body) {
            case Map<?, ?> fields -> fields;
            case String prompt -> Map.of("prompt", prompt);
            case null -> throw RequestException.invalid("the body is empty; it must be a JSON object");
            default ->
                throw new IllegalStateException("the beans generate and stream take a Map or a String, not "
                        + body.getClass().getName() + "; unmarshal the body first");
        };
    }
}
