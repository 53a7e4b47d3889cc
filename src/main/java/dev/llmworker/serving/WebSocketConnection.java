package dev.llmworker.serving;

import dev.llmworker.generation.Generation;
import io.vertx.core.AsyncResult;
import io.vertx.core.Context;
import io.vertx.core.Handler;
import io.vertx.core.http.ServerWebSocket;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// One client's WebSocket: frames out with back-pressure, messages in by two lanes. One lane routes messages as they
/// come; the other runs the prompts in their order, so that a message is read while an answer is still being written.
///
/// Threading: any thread; a thread that sends waits while the client does not read.
final class WebSocketConnection {
    /// Prompts that may wait while one runs.
    static final int MAX_WAITING_PROMPTS = 8;

    // Frames handed to the event loop and not yet to the kernel. Between the two marks the writer does not sleep and
    // wake for each frame.
    private static final int HIGH_WATER_FRAMES = 256;
    private static final int LOW_WATER_FRAMES = 64;
    private static final int MAX_UNROUTED_MESSAGES = 16;

    private final ServerWebSocket socket;
    private final Context eventLoop;
    private final String requestId;
    private final Caller caller;
    private final Lane routing = new Lane("ws-routing");
    private final Lane prompts = new Lane("ws-prompts");
    private final AtomicInteger unrouted = new AtomicInteger();
    private final AtomicInteger unwritten = new AtomicInteger();
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition drained = lock.newCondition();
    private final Handler<AsyncResult<Void>> written = _ -> frameWritten();
    private volatile @Nullable Generation running;
    private volatile boolean closed;

    /// @param requestId of the handshake
    WebSocketConnection(ServerWebSocket socket, Context eventLoop, String requestId, Caller caller) {
        this.socket = socket;
        this.caller = caller;
        this.eventLoop = eventLoop;
        this.requestId = requestId;
    }

    String requestId() {
        return requestId;
    }

    Caller caller() {
        return caller;
    }

    /// Routes a message after those before it. Called on the event loop, which stops to read while many wait.
    void route(Runnable message) {
        if (unrouted.incrementAndGet() == MAX_UNROUTED_MESSAGES) {
            socket.pause();
        }
        routing.run(() -> {
            try {
                message.run();
            } finally {
                if (unrouted.decrementAndGet() == 0) {
                    eventLoop.runOnContext(_ -> resume());
                }
            }
        });
    }

    private void resume() {
        if (!closed) {
            socket.resume();
        }
    }

    /// Runs a prompt after those before it.
    ///
    /// @return whether it was taken; else [#MAX_WAITING_PROMPTS] wait already
    boolean enqueue(Runnable prompt) {
        return prompts.enqueue(prompt, MAX_WAITING_PROMPTS);
    }

    /// Sends one text frame, waiting while too many are unwritten.
    ///
    /// @return false when the client has left
    boolean send(String frame) {
        if (closed) {
            return false;
        }
        unwritten.incrementAndGet();
        socket.writeTextMessage(frame).onComplete(written);
        if (unwritten.get() >= HIGH_WATER_FRAMES) {
            awaitDrained();
        }
        return !closed;
    }

    private void awaitDrained() {
        lock.lock();
        try {
            while (unwritten.get() > LOW_WATER_FRAMES && !closed) {
                drained.awaitUninterruptibly();
            }
        } finally {
            lock.unlock();
        }
    }

    private void frameWritten() {
        if (unwritten.decrementAndGet() == LOW_WATER_FRAMES) {
            wakeWriters();
        }
    }

    private void wakeWriters() {
        lock.lock();
        try {
            drained.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /// Names the generation that ends when the client leaves; null when it has ended by itself.
    void running(@Nullable Generation generation) {
        running = generation;
        if (closed && generation != null) {
            generation.close();
        }
    }

    /// Closes it from this side, after the frames that are sent already.
    void close(int code, String reason) {
        socket.close((short) code, reason);
    }

    boolean isClosed() {
        return closed;
    }

    /// The socket is closed: ends what runs, forgets what waits, frees who writes.
    void closed() {
        closed = true;
        prompts.clear();
        var generation = running;
        if (generation != null) {
            generation.close();
        }
        wakeWriters();
    }
}
