package dev.llmworker.serving.connection;

import io.vertx.core.AsyncResult;
import io.vertx.core.Context;
import io.vertx.core.Handler;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.ServerWebSocket;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One client's WebSocket: frames out with back-pressure, messages in. One lane routes messages as they come; their
/// prompts run on threads of their own, so that a message is read while an answer is still being written.
///
/// Threading: any thread; a thread that sends waits while the client does not read.
public final class WebSocketConnection {
    private static final Logger LOG = LoggerFactory.getLogger(WebSocketConnection.class);
    // Frames handed to the event loop and not yet to the kernel. Between the two marks the writer does not sleep and
    // wake for each frame.
    private static final int HIGH_WATER_FRAMES = 256;
    private static final int LOW_WATER_FRAMES = 64;
    private static final int MAX_UNROUTED_MESSAGES = 16;

    private final ServerWebSocket socket;
    private final Context eventLoop;
    private final String requestId;
    private final @Nullable String key;
    private final Pulse pulse;
    private final Lane routing = new Lane("ws-routing");
    private final ConnectionPrompts prompts = new ConnectionPrompts();
    private final AtomicInteger unrouted = new AtomicInteger();
    private final AtomicInteger unwritten = new AtomicInteger();
    /// Messages and prompts that are not done with.
    private final AtomicInteger pending = new AtomicInteger();
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition drained = lock.newCondition();
    private final Handler<AsyncResult<Void>> written = _ -> frameWritten();
    private final AtomicBoolean over = new AtomicBoolean();
    private volatile boolean leaving;

    /// @param requestId of the handshake
    /// @param key label of its API key; null where it had none
    /// @param pulse what the client's last signs of life were
    public WebSocketConnection(
            ServerWebSocket socket, Context eventLoop, String requestId, @Nullable String key, Pulse pulse) {
        this.socket = socket;
        this.pulse = pulse;
        this.key = key;
        this.eventLoop = eventLoop;
        this.requestId = requestId;
    }

    public String requestId() {
        return requestId;
    }

    /// Label of the API key of the handshake; null where it had none.
    @Nullable
    public String key() {
        return key;
    }

    /// What the client's last signs of life were.
    public Pulse pulse() {
        return pulse;
    }

    public ConnectionPrompts prompts() {
        return prompts;
    }

    /// Routes a message after those before it. Called on the event loop, which stops to read while many wait.
    public void route(Runnable message) {
        if (unrouted.incrementAndGet() == MAX_UNROUTED_MESSAGES) {
            pulse.paused(true);
            socket.pause();
        }
        pending.incrementAndGet();
        routing.run(() -> {
            try {
                guarded(message);
            } finally {
                if (unrouted.decrementAndGet() == 0) {
                    eventLoop.runOnContext(_ -> resume());
                }
            }
        });
    }

    private void resume() {
        if (!over.get() && !socket.isClosed()) {
            pulse.paused(false);
            socket.resume();
        }
    }

    /// Runs a prompt after those before it.
    ///
    /// @return whether it was taken; else [ConnectionPrompts#MAX_WAITING] wait already
    public boolean enqueue(Consumer<PromptRun> prompt) {
        pending.incrementAndGet();
        var taken = prompts.enqueue(run -> guarded(() -> prompt.accept(run)));
        if (!taken) {
            done();
        }
        return taken;
    }

    /// Runs a prompt beside the others.
    ///
    /// @param id as JSON
    public ConnectionPrompts.Start start(String id, Consumer<PromptRun> prompt) {
        pending.incrementAndGet();
        var start = prompts.start(id, run -> guarded(() -> prompt.accept(run)));
        if (start != ConnectionPrompts.Start.STARTED) {
            done();
        }
        return start;
    }

    /// What fails here is a bug: the client is told by the close code, and no more of it runs.
    private void guarded(Runnable task) {
        try {
            task.run();
        } catch (Throwable e) {
            LOG.error("failed on a WebSocket request={}", requestId, e);
            close(WebSockets.INTERNAL_ERROR, "the worker failed");
        } finally {
            done();
        }
    }

    private void done() {
        if (pending.decrementAndGet() == 0 && leaving) {
            close(WebSockets.GOING_AWAY, "the worker is shutting down");
        }
    }

    /// Closes it as soon as all is answered that has been asked.
    void leave() {
        leaving = true;
        if (pending.get() == 0) {
            close(WebSockets.GOING_AWAY, "the worker is shutting down");
        }
    }

    /// Sends one text frame, waiting while too many are unwritten.
    ///
    /// @return false when the client has left
    public boolean send(String frame) {
        if (over.get()) {
            return false;
        }
        unwritten.incrementAndGet();
        socket.writeTextMessage(frame).onComplete(written);
        if (unwritten.get() >= HIGH_WATER_FRAMES) {
            awaitDrained();
        }
        return !over.get();
    }

    private void awaitDrained() {
        lock.lock();
        try {
            while (unwritten.get() > LOW_WATER_FRAMES && !over.get()) {
                drained.awaitUninterruptibly();
            }
        } finally {
            lock.unlock();
        }
    }

    private void frameWritten() {
        var left = unwritten.decrementAndGet();
        if (left >= LOW_WATER_FRAMES) {
            // The client reads, if slowly, and has its pings behind all that.
            pulse.heard();
        }
        if (left == LOW_WATER_FRAMES) {
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

    void ping() {
        if (!over.get()) {
            socket.writePing(Buffer.buffer());
        }
    }

    /// Closes it from this side, after the frames that are sent already.
    void close(int code, String reason) {
        if (over.compareAndSet(false, true)) {
            socket.close((short) code, reason);
            end();
        }
    }

    public boolean isClosed() {
        return over.get();
    }

    /// The socket is closed.
    public void closed() {
        over.set(true);
        end();
    }

    /// Ends what runs, forgets what waits, frees who writes.
    private void end() {
        prompts.close();
        wakeWriters();
    }
}
