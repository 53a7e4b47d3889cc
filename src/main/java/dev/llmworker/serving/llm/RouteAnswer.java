package dev.llmworker.serving.llm;

import dev.llmworker.generation.Answer;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.serving.delivery.Caller;
import dev.llmworker.serving.delivery.Generations;
import dev.llmworker.serving.delivery.WholeAnswer;
import dev.llmworker.serving.wire.Ending;
import io.vertx.core.Vertx;
import java.time.Duration;
import org.apache.camel.Exchange;

/// The text that a step of a route waits for. It is given up when its time is up or its client disconnects, even if it
/// is still queued. One client may wait for several at once.
///
/// Threading: the route's thread reads; the event loop ends it when its time is up.
final class RouteAnswer implements Generations.Reader {
    private static final long NO_TIMER = -1;

    private final StringBuilder text = new StringBuilder();
    private final Vertx vertx;
    private final Duration timeout;
    private final Caller caller;
    private long timer = NO_TIMER;
    private volatile boolean timeUp;

    RouteAnswer(Exchange exchange, Vertx vertx, Duration timeout) {
        this.vertx = vertx;
        this.timeout = timeout;
        caller = Caller.of(exchange);
    }

    /// Runs a generation to its end.
    Ending of(Generations generations, GenerationRequest request) {
        try {
            return generations.run(request, caller, this);
        } finally {
            vertx.cancelTimer(timer);
        }
    }

    @Override
    public void began(Answer<?> answer) {
        text.setLength(0);
        if (!timeout.isZero()) {
            timer = vertx.setTimer(Math.max(1, timeout.toMillis()), _ -> {
                timeUp = true;
                answer.close();
            });
        }
    }

    @Override
    public boolean token(GenerationEvent.Token token) {
        text.append(token.text());
        return !timeUp && !isUnwanted();
    }

    @Override
    public long keptBytes() {
        return WholeAnswer.BYTES_PER_CHARACTER * text.length();
    }

    /// Whether its client has disconnected.
    boolean isUnwanted() {
        return caller.client().isGone();
    }

    boolean isTimeUp() {
        return timeUp;
    }

    String text() {
        return text.toString();
    }
}
