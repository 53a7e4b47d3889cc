package dev.llmworker.serving;

import io.vertx.core.Handler;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.ServerWebSocket;
import io.vertx.core.http.WebSocketFrame;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Puts the frames of one connection together to whole messages. Vert.x does it too, but says nothing to a client whose
/// message is too large, and takes broken UTF-8; this one closes with 1009 and 1007.
///
/// Threading: the connection's event loop.
final class MessageAssembler implements Handler<WebSocketFrame> {
    private static final short NOT_UTF8 = 1007;
    private static final short TOO_BIG = 1009;

    private final ServerWebSocket socket;
    private final int maxMessageBytes;
    private final Consumer<Object> messages;
    private @Nullable Buffer parts;
    private boolean text;
    private boolean refused;

    /// @param messages takes each message: a `String`, or a `byte[]` where it was sent as binary
    MessageAssembler(ServerWebSocket socket, int maxMessageBytes, Consumer<Object> messages) {
        this.socket = socket;
        this.maxMessageBytes = maxMessageBytes;
        this.messages = messages;
    }

    @Override
    public void handle(WebSocketFrame frame) {
        if (refused || frame.isClose() || !(frame.isText() || frame.isBinary() || frame.isContinuation())) {
            return;
        }
        if (!frame.isContinuation()) {
            text = frame.isText();
        }
        var data = frame.binaryData();
        var before = parts;
        if (data.length() + (before == null ? 0 : before.length()) > maxMessageBytes) {
            refuse(TOO_BIG, "a message may have " + maxMessageBytes + " bytes");
        } else if (frame.isFinal()) {
            parts = null;
            deliver(before == null ? data.getBytes() : before.appendBuffer(data).getBytes());
        } else {
            parts = before == null ? data.copy() : before.appendBuffer(data);
        }
    }

    private void deliver(byte[] message) {
        if (!text) {
            messages.accept(message);
            return;
        }
        try {
            messages.accept(StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(message))
                    .toString());
        } catch (CharacterCodingException _) {
            refuse(NOT_UTF8, "text must be valid UTF-8");
        }
    }

    private void refuse(short code, String reason) {
        refused = true;
        parts = null;
        socket.close(code, reason);
    }
}
