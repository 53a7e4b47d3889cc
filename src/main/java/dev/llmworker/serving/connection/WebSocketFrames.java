package dev.llmworker.serving.connection;

import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.http.websocketx.TextWebSocketFrame;
import io.vertx.core.http.ServerWebSocket;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;

/// The text frames of one socket on their way to its event loop, which writes all that are there and then flushes once.
/// Vert.x would need a task, a promise and a future for each, which is most of what a token costs.
///
/// Threading: any thread adds; the event loop writes.
final class WebSocketFrames {
    private final ServerWebSocket socket;
    private final ChannelHandlerContext channel;
    private final WriteWindow window;
    private final Queue<String> frames = new ConcurrentLinkedQueue<>();
    private final AtomicBoolean scheduled = new AtomicBoolean();

    /// @param channel of Vert.x's own handler, from where frames go out
    /// @param window hears of each frame that is written, or will never be
    WebSocketFrames(ServerWebSocket socket, ChannelHandlerContext channel, WriteWindow window) {
        this.socket = socket;
        this.channel = channel;
        this.window = window;
    }

    void add(String frame) {
        frames.add(frame);
        if (!scheduled.getAndSet(true)) {
            channel.executor().execute(this::write);
        }
    }

    /// Writes what has been added. Called on the event loop.
    void write() {
        scheduled.set(false);
        for (var frame = frames.poll(); frame != null; frame = frames.poll()) {
            var characters = frame.length();
            if (socket.isClosed()) {
                // Nothing may follow the frame that closes.
                window.written(characters);
            } else {
                channel.write(new TextWebSocketFrame(frame)).addListener(_ -> window.written(characters));
            }
        }
        channel.flush();
    }
}
