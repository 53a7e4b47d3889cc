package dev.llmworker.serving;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.RefusedException;
import java.util.Map;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;
import org.apache.camel.component.vertx.websocket.VertxWebsocketConstants;
import org.apache.camel.component.vertx.websocket.VertxWebsocketEvent;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The bean `websocket`: each message of a connection is a prompt, answered by a frame for each token and one that ends
/// them. The body is the frame's text, or a `Map` that a route made of it. A prompt waits for those before it; what is
/// wrong with a message is said in its turn, and the connection stays open.
final class WebSocketProcessor implements Processor {
    private static final Logger LOG = LoggerFactory.getLogger(WebSocketProcessor.class);

    private final Generations generations;

    WebSocketProcessor(Generations generations) {
        this.generations = generations;
    }

    @Override
    public void process(Exchange exchange) {
        var connection = SharedWebsocketConsumer.connection(exchange);
        if (connection == null) {
            throw new IllegalStateException("the bean websocket serves routes from vertx-websocket only");
        }
        var message = exchange.getMessage();
        if (message.getHeader(VertxWebsocketConstants.EVENT) != VertxWebsocketEvent.MESSAGE) {
            return;
        }
        var turn = turn(message.getBody(), connection);
        if (!connection.enqueue(turn)) {
            var limit = WebSocketConnection.MAX_WAITING_PROMPTS;
            connection.send(JsonError.of(
                            503,
                            "too_many_prompts",
                            limit + " prompts wait on this connection already, which is the limit; this one is dropped")
                    .json());
        }
    }

    private Runnable turn(@Nullable Object body, WebSocketConnection connection) {
        try {
            var request = WireFormat.request(
                    switch (body) {
                        case String text -> StrictJson.object(text, "the frame");
                        case Map<?, ?> fields -> fields;
                        case null, default ->
                            throw RequestException.invalid(
                                    "the frame is binary; it must be a JSON object sent as text");
                    });
            return () -> answer(request, connection);
        } catch (RequestException e) {
            return () -> connection.send(e.error().json());
        }
    }

    private void answer(GenerationRequest request, WebSocketConnection connection) {
        if (connection.isClosed()) {
            return;
        }
        try {
            var frames = new Frames(connection);
            var finished = generations.run(request.withRequestId(connection.requestId()), connection.caller(), frames);
            connection.send(
                    finished.reason() == FinishReason.ERROR
                            ? JsonError.failed(finished).json()
                            : JsonText.doneFrame(frames.count));
        } catch (RefusedException e) {
            connection.send(JsonError.refused(e).json());
        } catch (RuntimeException e) {
            LOG.error("failed on a WebSocket", e);
            connection.send(JsonError.internal().json());
        } finally {
            connection.running(null);
        }
    }

    /// Writes one answer.
    private static final class Frames implements Generations.Reader {
        private final WebSocketConnection connection;
        private int count;

        Frames(WebSocketConnection connection) {
            this.connection = connection;
        }

        @Override
        public void began(Generation generation) {
            connection.running(generation);
        }

        @Override
        public boolean token(GenerationEvent.Token token) {
            count++;
            return connection.send(JsonText.tokenFrame(token.text(), token.index()));
        }
    }
}
