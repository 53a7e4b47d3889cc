package dev.llmworker.serving.connection;

import dev.llmworker.serving.memory.MemoryBudget;
import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.socket.DuplexChannel;
import io.netty.handler.codec.http.websocketx.CloseWebSocketFrame;
import io.netty.handler.codec.http.websocketx.CorruptedWebSocketFrameException;
import io.netty.handler.codec.http.websocketx.PingWebSocketFrame;
import io.netty.handler.codec.http.websocketx.WebSocket13FrameDecoder;
import io.netty.handler.codec.http.websocketx.WebSocketCloseStatus;
import io.netty.handler.codec.http.websocketx.WebSocketDecoderConfig;
import io.vertx.core.Future;
import io.vertx.core.http.HttpConnection;
import io.vertx.core.http.impl.Http1xServerConnection;
import java.util.List;

/// A frame decoder that says by its close code why it closes: 1009 for a frame that is too large, 1002 for one that
/// breaks the protocol. Vert.x's own just drops the connection.
///
/// Threading: the connection's event loop.
public final class StrictFrames extends WebSocket13FrameDecoder {
    private static final String DECODER = "wsdecoder";
    private static final int APPLICATION_END = 5000;

    private final Closing closing;
    private final KeepAlive keepAlive;
    /// Of the part of a frame that is there.
    private final MemoryBudget.Lease memory;
    private boolean refused;

    /// Closes a connection after the frames that are sent already.
    public interface Closing {
        /// @return when the frame that closes is written
        Future<Void> close(short code, String reason);
    }

    StrictFrames(Closing closing, int maxFrameBytes, KeepAlive keepAlive, MemoryBudget budget) {
        super(WebSocketDecoderConfig.newBuilder()
                .maxFramePayloadLength(maxFrameBytes)
                .closeOnProtocolViolation(false)
                // Whole messages are checked: a character may lie across two frames.
                .withUTF8Validator(false)
                .build());
        this.closing = closing;
        this.keepAlive = keepAlive;
        memory = budget.lease();
    }

    /// Called on the connection's event loop, after the handshake and before it reads the first frame.
    public static void install(
            HttpConnection connection, Closing closing, int maxFrameBytes, KeepAlive keepAlive, MemoryBudget budget) {
        if (connection instanceof Http1xServerConnection http
                && http.channel().pipeline().get(DECODER) != null) {
            http.channel()
                    .pipeline()
                    .replace(DECODER, DECODER, new StrictFrames(closing, maxFrameBytes, keepAlive, budget));
        }
    }

    @Override
    protected void decode(ChannelHandlerContext ctx, ByteBuf in, List<Object> out) throws Exception {
        if (refused) {
            // Read on, or the reset that an unread rest would cause could overtake the close frame.
            in.skipBytes(in.readableBytes());
            return;
        }
        keepAlive.heard();
        try {
            super.decode(ctx, in, out);
            if (!out.isEmpty()) {
                keepAlive.frameBegun(false);
            }
            keepAlive.frameBegun(out.isEmpty() || in.isReadable());
            if (!memory.resize(in.readableBytes())) {
                in.skipBytes(in.readableBytes());
                refuse(ctx, WebSocketCloseStatus.TRY_AGAIN_LATER, WebSockets.OUT_OF_MEMORY);
            }
            if (!out.isEmpty()
                    && out.getLast() instanceof PingWebSocketFrame ping
                    && !ctx.channel().isWritable()) {
                // Pongs that the client does not read must not heap up; it may have one for many pings.
                out.removeLast();
                ping.release();
            }
            if (!out.isEmpty() && out.getLast() instanceof CloseWebSocketFrame close && !mayClose(close.statusCode())) {
                out.removeLast();
                refuse(ctx, WebSocketCloseStatus.PROTOCOL_ERROR, close.statusCode() + " is no close code");
                close.release();
            }
        } catch (CorruptedWebSocketFrameException e) {
            in.skipBytes(in.readableBytes());
            refuse(ctx, e.closeStatus(), String.valueOf(e.getMessage()));
        }
    }

    @Override
    protected void handlerRemoved0(ChannelHandlerContext ctx) throws Exception {
        memory.close();
        super.handlerRemoved0(ctx);
    }

    /// Sends the close frame and then FIN: the client's own close frame cannot be told from what is wrong before it, so
    /// there is nothing to wait for. The connection ends when the client does the same, or at the closing time-out.
    private void refuse(ChannelHandlerContext ctx, WebSocketCloseStatus status, String reason) {
        refused = true;
        memory.close();
        closing.close((short) status.code(), reason).onComplete(_ -> {
            if (ctx.channel() instanceof DuplexChannel channel) {
                channel.shutdownOutput();
            }
        });
    }

    /// @param code -1 if the frame has none
    private static boolean mayClose(int code) {
        return code == -1 || WebSocketCloseStatus.isValidStatusCode(code) && code < APPLICATION_END;
    }
}
