package dev.llmworker.serving.delivery;

import dev.llmworker.generation.Answer;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Generator;
import dev.llmworker.serving.wire.Ending;
import io.vertx.core.Vertx;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/// An answer that is waited for. It is given up when its time is up or its client disconnects, even if it is still
/// queued. One client may wait for several at once.
///
/// Threading: the request's thread reads; the event loop ends it when its time is up.
public final class TimedAnswer implements Generations.Reader {
    private static final long NO_TIMER = -1;

    private final Vertx vertx;
    private final Duration timeout;
    private final Caller caller;
    private final Generations.@Nullable Reader beside;
    private WholeAnswer whole;
    private long beganNanos = System.nanoTime();
    private long timer = NO_TIMER;
    private volatile boolean timeUp;

    /// @param timeout zero for no limit but the worker's
    public TimedAnswer(Caller caller, Vertx vertx, Duration timeout) {
        this(caller, vertx, timeout, null);
    }

    /// @param beside reads the tokens, too
    public TimedAnswer(Caller caller, Vertx vertx, Duration timeout, Generations.@Nullable Reader beside) {
        this.vertx = vertx;
        this.timeout = timeout;
        this.caller = caller;
        this.beside = beside;
        whole = new WholeAnswer(caller);
    }

    /// Runs a generation to its end.
    public Ending of(Generations generations, GenerationRequest request) {
        return run(generations, request, Generations.Counted.REQUEST);
    }

    /// As [#of], of a request that has been counted before.
    public Ending more(Generations generations, GenerationRequest request) {
        return run(generations, request, Generations.Counted.PROMPT);
    }

    private Ending run(Generations generations, GenerationRequest request, Generations.Counted counted) {
        try {
            var ending = generations.run(request, caller, this, Generator::submit, counted);
            whole.finished(ending);
            return ending;
        } finally {
            vertx.cancelTimer(timer);
        }
    }

    @Override
    public void began(Answer<?> answer) {
        whole = new WholeAnswer(caller);
        beganNanos = System.nanoTime();
        if (!timeout.isZero()) {
            timer = vertx.setTimer(Math.max(1, timeout.toMillis()), _ -> {
                timeUp = true;
                answer.close();
            });
        }
    }

    @Override
    public void accepted() {
        if (beside != null) {
            beside.accepted();
        }
    }

    @Override
    public boolean token(GenerationEvent.Token token) {
        var isRead = whole.token(token) && (beside == null || beside.token(token));
        return isRead && !timeUp;
    }

    @Override
    public long keptBytes() {
        return whole.keptBytes();
    }

    /// Whether its client has disconnected or has cancelled the request.
    public boolean isUnwanted() {
        return caller.client().isUnwanted();
    }

    public boolean isTimeUp() {
        return timeUp;
    }

    /// When it was submitted.
    public long beganNanos() {
        return beganNanos;
    }

    /// What there is of it.
    public WholeAnswer whole() {
        return whole;
    }
}
