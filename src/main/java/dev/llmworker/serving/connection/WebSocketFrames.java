package dev.llmworker.serving.connection;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.channel.ChannelHandlerContext;
import io.netty.util.ReferenceCountUtil;
import io.vertx.core.http.ServerWebSocket;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;

/// The text frames of one socket on their way to its event loop, which writes all that are there into one buffer and
/// then flushes once. Vert.x would need a task, a promise, a future and three buffers for each, which is most of what
/// a token costs. Frames are not compressed: the port offers no extension.
///
/// If frames cannot be written, the connection is closed: the client would not notice that they are missing.
///
/// Threading: any thread adds; the event loop writes.
final class WebSocketFrames {
    /// A buffer this full is written. The window hears of its frames once the kernel has all of it, so it must not be
    /// much more than a slow client reads at a time.
    private static final int BUFFER_BYTES = 16 << 10;

    private static final int WHOLE_TEXT = 0x81;
    private static final int MOST_LENGTH_IN_7_BITS = 125;
    private static final int LENGTH_IN_16_BITS = 126;
    private static final int LENGTH_IN_64_BITS = 127;

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
            if (socket.isClosed()) {
                // Nothing may follow the frame that closes.
                window.written(1, frame.length());
            } else {
                writeWith(frame);
            }
        }
        channel.flush();
    }

    /// Writes a frame, and those behind it that fit into the same buffer.
    private void writeWith(String first) {
        ByteBuf buffer = null;
        var count = 0;
        var characters = 0;
        try {
            buffer = channel.alloc().buffer();
            for (var frame = first;
                    frame != null;
                    frame = buffer.readableBytes() < BUFFER_BYTES ? frames.poll() : null) {
                count++;
                characters += frame.length();
                append(frame, buffer);
            }
        } catch (Throwable e) {
            // Mostly that there is no memory.
            ReferenceCountUtil.release(buffer);
            window.written(Math.max(1, count), Math.max(first.length(), characters));
            channel.close();
            throw e;
        }
        var inAll = characters;
        var frames = count;
        channel.write(buffer).addListener(written -> {
            window.written(frames, inAll);
            if (!written.isSuccess()) {
                channel.close();
            }
        });
    }

    /// Adds a frame as RFC 6455 has it, section 5.2: final, text, not masked.
    private static void append(String text, ByteBuf buffer) {
        var length = ByteBufUtil.utf8Bytes(text);
        buffer.writeByte(WHOLE_TEXT);
        if (length <= MOST_LENGTH_IN_7_BITS) {
            buffer.writeByte(length);
        } else if (length < 1 << 16) {
            buffer.writeByte(LENGTH_IN_16_BITS).writeShort(length);
        } else {
            buffer.writeByte(LENGTH_IN_64_BITS).writeLong(length);
        }
        ByteBufUtil.reserveAndWriteUtf8(buffer, text, length);
    }
}
