package dev.llmworker.serving.delivery;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.serving.wire.EventForm;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestId;
import io.vertx.core.AsyncResult;
import io.vertx.core.Handler;
import io.vertx.core.http.HttpServerResponse;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One answer as server-sent events, written to the response itself: Camel would gather a body before it writes it. The
/// response's head is written when the request is accepted, so what is refused has an answer of its own.
///
/// Threading: the request's thread sends, and waits while the client does not read. The event loop tells of writes done
/// and of a client that leaves, which ends the generation.
public final class EventStream implements Generations.Reader {
    private static final Logger LOG = LoggerFactory.getLogger(EventStream.class);
    // Events handed to the event loop and not yet to the kernel. Between the two marks the writer does not sleep and
    // wake for each event.
    private static final int HIGH_WATER_EVENTS = 256;
    private static final int LOW_WATER_EVENTS = 64;

    private final HttpServerResponse response;
    private final EventForm form;
    private final AtomicInteger unwritten = new AtomicInteger();
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition drained = lock.newCondition();
    private final Handler<AsyncResult<Void>> written = _ -> eventWritten();
    private boolean open;

    public EventStream(HttpServerResponse response, EventForm form) {
        this.response = response;
        this.form = form;
    }

    /// Runs a generation to its end and ends the response, unless the request is refused.
    ///
    /// @throws RuntimeException before anything is written
    public void run(Generations generations, GenerationRequest request, Caller caller) {
        run(() -> generations.run(request, caller, this));
    }

    /// As above, of a generation that `running` runs with this stream as its reader.
    public void run(Supplier<GenerationEvent.Finished> running) {
        try {
            var finished = running.get();
            if (finished.reason() == FinishReason.ERROR) {
                send(form.failed(JsonError.failed(finished)));
            } else {
                sendAll(form.finished(finished));
            }
        } catch (RuntimeException e) {
            if (!open) {
                throw e;
            }
            send(form.failed(error(e)));
        }
        response.end();
    }

    private JsonError error(RuntimeException failure) {
        var error = JsonError.of(failure);
        if (error != null) {
            return error;
        }
        LOG.error("failed request={}", RequestId.of(response), failure);
        return JsonError.internal();
    }

    @Override
    public void began(Generation generation) {
        response.closeHandler(_ -> {
            generation.close();
            wakeWriter();
        });
        if (response.closed()) {
            generation.close();
        }
    }

    @Override
    public void accepted() {
        open = true;
        response.setChunked(true)
                .putHeader("Content-Type", "text/event-stream")
                // Proxies that gather an answer before they pass it on know the second.
                .putHeader("Cache-Control", "no-cache")
                .putHeader("X-Accel-Buffering", "no");
        response.writeHead();
        sendAll(form.began());
    }

    @Override
    public boolean token(GenerationEvent.Token token) {
        sendAll(form.token(token));
        return !response.closed();
    }

    @Override
    public boolean chunk(GenerationEvent.Chunk chunk) {
        sendAll(form.chunk(chunk));
        return !response.closed();
    }

    private void sendAll(List<String> events) {
        for (var event : events) {
            send(event);
        }
    }

    private void send(String data) {
        if (response.closed()) {
            return;
        }
        unwritten.incrementAndGet();
        response.write("data: " + data + "\n\n").onComplete(written);
        if (unwritten.get() >= HIGH_WATER_EVENTS) {
            awaitDrained();
        }
    }

    private void awaitDrained() {
        lock.lock();
        try {
            while (unwritten.get() > LOW_WATER_EVENTS && !response.closed()) {
                drained.awaitUninterruptibly();
            }
        } finally {
            lock.unlock();
        }
    }

    private void eventWritten() {
        if (unwritten.decrementAndGet() == LOW_WATER_EVENTS) {
            wakeWriter();
        }
    }

    private void wakeWriter() {
        lock.lock();
        try {
            drained.signalAll();
        } finally {
            lock.unlock();
        }
    }
}
