package dev.llmworker.serving.llm;

import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.serving.camel.ClientResponse;
import dev.llmworker.serving.camel.PortWebsocketConsumer;
import dev.llmworker.serving.connection.WebSocketConnection;
import dev.llmworker.serving.delivery.Caller;
import dev.llmworker.serving.delivery.Generations;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpServerResponse;
import java.time.Duration;
import org.apache.camel.Exchange;
import org.jspecify.annotations.Nullable;

/// The text that a step of a route waits for. It is given up when its time is up or nobody waits for it any more, be it
/// still queued; one client may wait for several at once.
///
/// Threading: the route's thread reads; the event loop looks whether it is still wanted.
final class RouteAnswer implements Generations.Reader {
    private static final long LOOK_MILLIS = 50;

    private final StringBuilder text = new StringBuilder();
    private final Vertx vertx;
    private final Duration timeout;
    private final @Nullable HttpServerResponse response;
    private final @Nullable WebSocketConnection connection;
    private final Caller caller;
    private long watch;
    private volatile boolean accepted;
    private volatile long acceptedNanos;

    RouteAnswer(Exchange exchange, Vertx vertx, Duration timeout) {
        this.vertx = vertx;
        this.timeout = timeout;
        caller = Caller.of(exchange);
        response = ClientResponse.of(exchange);
        connection = PortWebsocketConsumer.connection(exchange);
    }

    /// Runs a generation to its end.
    GenerationEvent.Finished of(Generations generations, GenerationRequest request) {
        try {
            return generations.run(request, caller, this);
        } finally {
            if (accepted) {
                vertx.cancelTimer(watch);
            }
        }
    }

    @Override
    public void began(Generation generation) {
        text.setLength(0);
        acceptedNanos = System.nanoTime();
        accepted = true;
        watch = vertx.setPeriodic(LOOK_MILLIS, _ -> {
            if (isOver()) {
                generation.close();
            }
        });
    }

    @Override
    public boolean token(GenerationEvent.Token token) {
        text.append(token.text());
        return !isOver();
    }

    private boolean isOver() {
        return isUnwanted() || isTimeUp();
    }

    /// Whether the client that it is for has left.
    boolean isUnwanted() {
        return (response != null && response.closed()) || (connection != null && connection.isClosed());
    }

    boolean isTimeUp() {
        return accepted && !timeout.isZero() && System.nanoTime() - acceptedNanos >= timeout.toNanos();
    }

    String text() {
        return text.toString();
    }
}
