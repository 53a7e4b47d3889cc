package dev.llmworker.serving.connection;

import dev.llmworker.generation.Lease;
import dev.llmworker.serving.access.ApiKey;
import dev.llmworker.serving.connection.ConnectionPrompts.PromptRun;
import dev.llmworker.serving.memory.MemoryBudget;
import io.netty.channel.ChannelHandlerContext;
import io.vertx.core.Future;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.ServerWebSocket;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicInteger;
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
    private static final int MAX_UNROUTED_MESSAGES = 16;

    private final ServerWebSocket socket;
    private final Executor eventLoop;
    private final String requestId;
    private final @Nullable ApiKey key;
    private final KeepAlive keepAlive;
    private final SerialExecutor routing = new SerialExecutor("ws-routing");
    private final ConnectionPrompts prompts = new ConnectionPrompts();
    private final AtomicInteger unrouted = new AtomicInteger();
    /// Whether it stops to read; written on the event loop.
    private volatile boolean paused;
    private final WriteWindow window;
    private final WebSocketFrames frames;
    private final Departure departure = new Departure();
    /// Messages and prompts that are not done with.
    private final AtomicInteger pending = new AtomicInteger();
    private volatile @Nullable Farewell farewell;
    /// Of the message that is being given to its route; the event loop's.
    private MemoryBudget.@Nullable Lease arrived;

    /// How it is closed once all is answered.
    private record Farewell(int code, String reason) {}

    /// @param channel of Vert.x's own handler
    /// @param requestId of the handshake
    /// @param key its API key; null if it had none
    /// @param keepAlive what the client's last signs of life were
    public WebSocketConnection(
            ServerWebSocket socket,
            ChannelHandlerContext channel,
            String requestId,
            @Nullable ApiKey key,
            KeepAlive keepAlive) {
        this.socket = socket;
        this.keepAlive = keepAlive;
        // A slow client has its pings behind all that it has yet to read: each message that it reads is a sign of life.
        window = new WriteWindow(keepAlive::heard);
        frames = new WebSocketFrames(socket, channel, window);
        this.key = key;
        eventLoop = channel.executor();
        this.requestId = requestId;
        var _ = departure.add(prompts::close);
        var _ = departure.add(window::close);
    }

    public String requestId() {
        return requestId;
    }

    /// The API key of the handshake; null if it had none.
    @Nullable
    public ApiKey key() {
        return key;
    }

    /// What the client's last signs of life were.
    public KeepAlive keepAlive() {
        return keepAlive;
    }

    public ConnectionPrompts prompts() {
        return prompts;
    }

    /// The next exchange is for a message that holds this memory. Called on the event loop.
    public void arrived(MemoryBudget.Lease memory) {
        arrived = memory;
    }

    /// The memory of the message that has just arrived; null if none has. Called on the event loop.
    public MemoryBudget.@Nullable Lease takeArrived() {
        var memory = arrived;
        arrived = null;
        return memory;
    }

    /// Routes a message after those before it. Called on the event loop, which stops to read while many wait.
    public void route(Runnable message) {
        // Said before it is counted: whoever routes the last message sees it then.
        if (unrouted.get() + 1 >= MAX_UNROUTED_MESSAGES && !paused) {
            paused = true;
            keepAlive.paused(true);
            socket.pause();
        }
        unrouted.incrementAndGet();
        pending.incrementAndGet();
        try (var place = Lease.of(this::done);
                var waiting = Lease.of(this::routed)) {
            routing.run(() -> {
                try {
                    guarded(message);
                } finally {
                    routed();
                }
            });
            place.keep();
            waiting.keep();
        }
    }

    private void routed() {
        // Waking the event loop for each message would cost each prompt some microseconds.
        if (unrouted.decrementAndGet() == 0 && paused) {
            eventLoop.execute(this::resume);
        }
    }

    private void resume() {
        paused = false;
        if (!departure.isOver() && !socket.isClosed()) {
            keepAlive.paused(false);
            socket.resume();
        }
    }

    /// Runs a prompt after those before it.
    ///
    /// @return whether it was taken; else [ConnectionPrompts#MAX_WAITING] wait already
    public boolean enqueue(Consumer<PromptRun> prompt) {
        pending.incrementAndGet();
        try (var place = Lease.of(this::done)) {
            var taken = prompts.enqueue(run -> guarded(() -> prompt.accept(run)));
            if (taken) {
                place.keep();
            }
            return taken;
        }
    }

    /// Runs a prompt beside the others.
    ///
    /// @param id as JSON
    public ConnectionPrompts.Start start(String id, Consumer<PromptRun> prompt) {
        pending.incrementAndGet();
        try (var place = Lease.of(this::done)) {
            var start = prompts.start(id, run -> guarded(() -> prompt.accept(run)));
            if (start == ConnectionPrompts.Start.STARTED) {
                place.keep();
            }
            return start;
        }
    }

    /// Runs a task after those before it in its lane. The worker does not leave the connection before.
    ///
    /// @return whether it was taken; else `limit` tasks wait in the lane already
    public boolean enqueue(SerialExecutor lane, int limit, Runnable task) {
        pending.incrementAndGet();
        try (var place = Lease.of(this::done)) {
            var taken = lane.enqueue(() -> guarded(task), limit);
            if (taken) {
                place.keep();
            }
            return taken;
        }
    }

    /// A failure here is a bug. The connection is closed with the code for that.
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
        if (pending.decrementAndGet() == 0) {
            leaveIfDue();
        }
    }

    /// Closes it as soon as all is answered that has been asked.
    public void leave(int code, String reason) {
        farewell = new Farewell(code, reason);
        if (pending.get() == 0) {
            leaveIfDue();
        }
    }

    private void leaveIfDue() {
        var due = farewell;
        if (due != null) {
            close(due.code, due.reason);
        }
    }

    /// Sends one text frame, waiting while too many are unwritten.
    ///
    /// @return false when the client has left
    public boolean send(String frame) {
        if (departure.isOver()) {
            return false;
        }
        window.add(frame.length());
        frames.add(frame);
        window.await();
        return !departure.isOver();
    }

    void ping() {
        if (!departure.isOver()) {
            socket.writePing(Buffer.buffer());
        }
    }

    /// Closes it from this side, after the frames that are sent already.
    public void close(int code, String reason) {
        departure.happen(() -> onEventLoop(() -> socket.close((short) code, reason)));
    }

    /// As [#close], for what the client sent wrong. Called on the event loop.
    ///
    /// @return when the frame that closes is written
    public Future<Void> refuse(short code, String reason) {
        frames.write();
        return socket.close(code, reason);
    }

    public boolean isClosed() {
        return departure.isOver();
    }

    /// The socket is closed.
    public void closed() {
        departure.happen(() -> {});
    }

    /// As [Client#onGone].
    public Departure.Watch onGone(Runnable task) {
        return departure.add(task);
    }

    /// Runs `task` on the connection's event loop, after all that it has been given before.
    public void onEventLoop(Runnable task) {
        eventLoop.execute(() -> {
            // Another thread may have added frames, and not have asked for their writing yet.
            try {
                frames.write();
            } finally {
                task.run();
            }
        });
    }
}
