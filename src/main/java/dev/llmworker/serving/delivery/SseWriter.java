package dev.llmworker.serving.delivery;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.serving.connection.HttpClient;
import dev.llmworker.serving.wire.Ending;
import dev.llmworker.serving.wire.EventWriter;
import dev.llmworker.serving.wire.JsonError;
import java.util.List;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Writes one answer as server-sent events, to the response itself: Camel would collect a body before it writes it. The
/// response's head is written when the request is accepted, so that a refusal is an answer of its own.
///
/// Threading: the request's thread, which waits while the client does not read.
public final class SseWriter {
    private static final Logger LOG = LoggerFactory.getLogger(SseWriter.class);

    private final HttpClient client;
    private boolean open;

    public SseWriter(HttpClient client) {
        this.client = client;
    }

    /// Streams one generation to the client of a route, then ends the response.
    ///
    /// @throws RuntimeException if the request is refused, before anything is written
    public static void stream(
            Generations generations,
            GenerationRequest request,
            String route,
            HttpClient client,
            EventWriter.OfTokens writer) {
        var stream = new SseWriter(client);
        stream.run(
                () -> generations.run(request, new Caller(client, route), new Generations.Reader() {
                    @Override
                    public void accepted() {
                        stream.open();
                        stream.send(writer.began());
                    }

                    @Override
                    public boolean token(GenerationEvent.Token token) {
                        return stream.send(writer.token(token));
                    }
                }),
                writer);
    }

    /// Runs an answer to its end and ends the response, unless the request is refused.
    ///
    /// @param running opens this stream when the request is accepted
    /// @throws RuntimeException before anything is written
    public void run(Supplier<Ending> running, EventWriter writer) {
        try {
            var ending = running.get();
            if (ending.finished().reason() == FinishReason.ERROR) {
                send(List.of(writer.failed(JsonError.failed(ending.finished()))));
            } else {
                send(writer.finished(ending));
            }
        } catch (RuntimeException e) {
            if (!open) {
                throw e;
            }
            send(List.of(writer.failed(error(e))));
        }
        client.response().end();
    }

    private JsonError error(RuntimeException failure) {
        var error = JsonError.of(failure);
        if (error != null) {
            return error;
        }
        LOG.error("failed request={}", client.requestId(), failure);
        return JsonError.internal();
    }

    /// Writes the head of the response: the request is accepted.
    public void open() {
        open = true;
        client.response()
                .setChunked(true)
                .putHeader("Content-Type", "text/event-stream")
                // nginx and similar proxies buffer an answer unless the last of these tells them not to.
                .putHeader("Cache-Control", "no-cache")
                .putHeader("X-Accel-Buffering", "no")
                .writeHead();
    }

    /// @return false if the client has disconnected
    public boolean send(List<String> events) {
        for (var event : events) {
            client.send("data: " + event + "\n\n");
        }
        return !client.isGone();
    }
}
