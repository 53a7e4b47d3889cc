package dev.llmworker.serving.beans;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.serving.camel.ClientResponse;
import dev.llmworker.serving.camel.EventLoopProcessor;
import dev.llmworker.serving.delivery.Caller;
import dev.llmworker.serving.delivery.EventStream;
import dev.llmworker.serving.delivery.Generations;
import dev.llmworker.serving.delivery.WholeAnswer;
import dev.llmworker.serving.wire.FrameForm;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.serving.wire.StrictJson;
import dev.llmworker.serving.wire.WireFormat;
import io.vertx.core.Context;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpServerResponse;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.camel.AsyncCallback;
import org.apache.camel.Exchange;
import org.apache.camel.support.AsyncProcessorSupport;
import org.jspecify.annotations.Nullable;

/// The bean `generate`: from a prompt to the whole text. The body is a `Map` with the fields of a request, or a
/// `String` that is the prompt; it becomes a `Map` with `generated_text`, and with `finish_reason`, `usage` and
/// `timings` where the request has `"details": true`. An HTTP client that leaves ends its generation.
///
/// As the bean `generateOrStream` it answers a request that has `"stream": true` itself, token by token, as server-sent
/// events: the route ends there. It is a bean of its own, so that no client gets past the steps that come after
/// `generate` in a route.
/// Threading: any thread. On an event loop what waits for the engine goes on on a virtual thread.
final class GenerateProcessor extends AsyncProcessorSupport implements EventLoopProcessor {
    static final String TEXT = "generated_text";

    private final Generations generations;
    private final boolean streams;

    /// @param client null where no HTTP client waits
    /// @param stream whether the client is answered token by token
    private record Task(
            GenerationRequest request,
            boolean details,
            boolean stream,
            @Nullable HttpServerResponse client) {}

    GenerateProcessor(Generations generations, boolean streams) {
        this.generations = generations;
        this.streams = streams;
    }

    @Override
    public void process(Exchange exchange) {
        run(task(exchange), exchange);
    }

    @Override
    public boolean process(Exchange exchange, AsyncCallback callback) {
        try {
            var task = task(exchange);
            if (Context.isOnEventLoopThread() && (task.stream() || !generations.runAtOnce(task.request()))) {
                Vertx.currentContext().executeBlocking(() -> finish(task, exchange, callback), false);
                return false;
            }
            run(task, exchange);
        } catch (Throwable e) {
            exchange.setException(e);
        }
        callback.done(true);
        return true;
    }

    private Exchange finish(Task task, Exchange exchange, AsyncCallback callback) {
        try {
            run(task, exchange);
        } catch (Throwable e) {
            exchange.setException(e);
        }
        // The rest of the route runs here, too: an answer may be long.
        callback.done(false);
        return exchange;
    }

    private Task task(Exchange exchange) {
        var fields = new RequestFields(fields(exchange.getMessage().getBody()));
        var request = WireFormat.request(fields.fields()).withRequestId(ClientResponse.requestId(exchange));
        var details = fields.flag("details", false);
        var stream = fields.flag("stream", false);
        var client = ClientResponse.of(exchange);
        return new Task(request, details, streams && stream && client != null, client);
    }

    private void run(Task task, Exchange exchange) {
        if (task.stream() && task.client() != null) {
            new EventStream(task.client(), new FrameForm(task.details()))
                    .run(generations, task.request(), Caller.of(exchange));
            exchange.setRouteStop(true);
        } else {
            exchange.getMessage().setBody(whole(task.request(), task.details(), task.client(), Caller.of(exchange)));
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
