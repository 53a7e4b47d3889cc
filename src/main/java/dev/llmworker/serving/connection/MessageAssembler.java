package dev.llmworker.serving.connection;

import dev.llmworker.serving.memory.MemoryBudget;
import io.vertx.core.Handler;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.WebSocketFrame;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.StandardCharsets;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/// Puts the frames of one connection together to whole messages. Vert.x does it too, but says nothing to a client whose
/// message is too large, and takes broken UTF-8; this one closes with 1009 and 1007, as soon as the frame is there that
/// breaks it.
///
/// Threading: the connection's event loop.
public final class MessageAssembler implements Handler<WebSocketFrame> {
    private static final short NOT_UTF8 = 1007;
    private static final short TOO_BIG = 1009;
    /// A text as Java has it can take two bytes for each that was sent.
    private static final long BYTES_PER_BYTE = 2;

    private final StrictFrames.Closing closing;
    private final int maxMessageBytes;
    private final KeepAlive keepAlive;
    private final MemoryBudget budget;
    private final BiConsumer<Object, MemoryBudget.Lease> messages;
    private @Nullable Partial partial;
    private boolean refused;

    /// @param budget has room for each message, or the connection is closed with 1013
    /// @param messages takes each message, a `String` or a `byte[]` if it was sent as binary, and its memory
    public MessageAssembler(
            StrictFrames.Closing closing,
            int maxMessageBytes,
            KeepAlive keepAlive,
            MemoryBudget budget,
            BiConsumer<Object, MemoryBudget.Lease> messages) {
        this.closing = closing;
        this.keepAlive = keepAlive;
        this.maxMessageBytes = maxMessageBytes;
        this.budget = budget;
        this.messages = messages;
    }

    @Override
    public void handle(WebSocketFrame frame) {
        if (refused || frame.isClose() || !(frame.isText() || frame.isBinary() || frame.isContinuation())) {
            return;
        }
        var data = frame.binaryData();
        var before = partial;
        if (data.length() + (before == null ? 0 : before.bytes) > maxMessageBytes) {
            refuse(TOO_BIG, "a message may have " + maxMessageBytes + " bytes");
            return;
        }
        var memory = before == null ? budget.lease() : before.memory;
        if (!memory.take(data.length() * BYTES_PER_BYTE)) {
            memory.close();
            refuse((short) WebSockets.TRY_AGAIN_LATER, WebSockets.OUT_OF_MEMORY);
            return;
        }
        try {
            if (before == null && frame.isFinal()) {
                messages.accept(frame.isText() ? text(data.getBytes()) : data.getBytes(), memory);
                return;
            }
            var message = before == null ? new Partial(frame.isText(), memory) : before;
            partial = frame.isFinal() ? null : message;
            message.append(data, frame.isFinal());
            keepAlive.messageBegun(!frame.isFinal());
            if (frame.isFinal()) {
                messages.accept(message.whole(), memory);
            }
        } catch (CharacterCodingException _) {
            memory.close();
            refuse(NOT_UTF8, "text must be valid UTF-8");
        }
    }

    private static String text(byte[] utf8) throws CharacterCodingException {
        return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(utf8)).toString();
    }

    /// The connection is being closed: what is there of a message is forgotten, and nothing more is read.
    public void forget() {
        refused = true;
        var message = partial;
        partial = null;
        if (message != null) {
            message.memory.close();
        }
    }

    private void refuse(short code, String reason) {
        forget();
        closing.close(code, reason);
    }

    /// The frames of a message so far. Text is decoded frame by frame; a character may lie across two.
    private static final class Partial {
        private final @Nullable CharsetDecoder decoder;
        private final StringBuilder text = new StringBuilder();
        private final Buffer binary = Buffer.buffer();
        // The bytes of a character whose end is in the next frame.
        private ByteBuffer rest = ByteBuffer.allocate(0);
        private final MemoryBudget.Lease memory;
        private int bytes;

        Partial(boolean isText, MemoryBudget.Lease memory) {
            this.memory = memory;
            decoder = isText ? StandardCharsets.UTF_8.newDecoder() : null;
        }

        void append(Buffer data, boolean last) throws CharacterCodingException {
            bytes += data.length();
            if (decoder == null) {
                binary.appendBytes(data.getBytes());
                return;
            }
            var in = ByteBuffer.allocate(rest.remaining() + data.length())
                    .put(rest)
                    .put(data.getBytes())
                    .flip();
            var out = CharBuffer.allocate(in.remaining() + 1);
            var result = decoder.decode(in, out, last);
            if (result.isError()) {
                result.throwException();
            }
            rest = in;
            text.append(out.flip());
        }

        Object whole() {
            return decoder == null ? binary.getBytes() : text.toString();
        }
    }
}
