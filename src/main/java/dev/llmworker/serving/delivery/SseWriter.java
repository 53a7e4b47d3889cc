package dev.llmworker.serving.delivery;

import dev.llmworker.generation.Answer;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.serving.connection.HttpClient;
import dev.llmworker.serving.connection.QuietStreams;
import dev.llmworker.serving.wire.Ending;
import dev.llmworker.serving.wire.EventWriter;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.StreamEvent;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Writes one answer as server-sent events, to the response itself: Camel would collect a body before it writes it. The
/// response's head is written when the request is accepted, so that a refusal is an answer of its own. If that takes
/// longer than the keep-alive interval, a comment opens the head, and a refusal comes as an event.
///
/// Threading: the request's thread, which waits while the client does not read; another thread writes comments.
public final class SseWriter {
    private static final Logger LOG = LoggerFactory.getLogger(SseWriter.class);
    private static final String COMMENT = ": keep-alive\n\n";

    private final HttpClient client;
    private final QuietStreams.Stream liveness;
    private boolean open;
    private boolean ended;

    public SseWriter(HttpClient client) {
        this.client = client;
        liveness = client.beginStream(this::comment);
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
        stream.run(() -> generations.run(request, new Caller(client, route), new Streamed(stream, writer)), writer);
    }

    /// Streams one answer.
    private static final class Streamed implements Generations.Reader {
        private final SseWriter stream;
        private final EventWriter.OfTokens writer;
        private @Nullable Answer<?> answer;

        Streamed(SseWriter stream, EventWriter.OfTokens writer) {
            this.stream = stream;
            this.writer = writer;
        }

        @Override
        public void began(Answer<?> begun) {
            answer = begun;
        }

        @Override
        public void accepted() {
            stream.open();
            stream.send(writer.accepted(answer == null ? 0 : answer.promptTokens()));
        }

        @Override
        public boolean token(GenerationEvent.Token token) {
            return stream.send(writer.token(token));
        }
    }

    /// Runs an answer to its end and ends the response, unless the request is refused.
    ///
    /// @param running opens this stream when the request is accepted
    /// @throws RuntimeException before anything is written
    public void run(Supplier<Ending> running, EventWriter writer) {
        try (liveness) {
            try {
                var ending = running.get();
                if (ending.finished().reason() == FinishReason.ERROR) {
                    send(List.of(writer.failed(JsonError.failed(ending.finished()))));
                } else {
                    send(writer.finished(ending));
                }
            } catch (RuntimeException e) {
                if (!beginsLastEvents()) {
                    throw e;
                }
                send(List.of(writer.failed(error(e))));
            }
            end();
        }
    }

    /// Whether the failure of an answer belongs into the stream. If not, no comment opens the stream any more.
    private synchronized boolean beginsLastEvents() {
        ended = !open;
        return open;
    }

    private synchronized void end() {
        ended = true;
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

    /// Writes the head of the response, unless a comment has.
    public synchronized void open() {
        if (open) {
            return;
        }
        open = true;
        client.response()
                .setChunked(true)
                .putHeader("Content-Type", "text/event-stream; charset=utf-8")
                // nginx and similar proxies buffer an answer unless the last of these tells them not to.
                .putHeader("Cache-Control", "no-cache")
                .putHeader("X-Accel-Buffering", "no")
                // Vert.x's `writeHead` wants a length, which HTTP/1.0 clients cannot be told.
                .write("");
        liveness.said();
    }

    /// The stream is silent. What is not read yet is no silence.
    private synchronized void comment() {
        var response = client.response();
        if (!ended && !response.ended() && !response.closed() && !response.writeQueueFull()) {
            open();
            response.write(COMMENT);
        }
    }

    /// @return false if the client has disconnected
    public boolean send(Iterable<StreamEvent> events) {
        for (var event : events) {
            liveness.said();
            client.send(event.text());
        }
        return !client.isGone();
    }
}
