package dev.llmworker.testing;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/// A TCP connection to the worker.
public final class RawConnection implements AutoCloseable {
    private static final int TIMEOUT_MILLIS = 150_000;

    private final Socket socket;

    public RawConnection(Socket socket) throws IOException {
        this.socket = socket;
        socket.setSoTimeout(TIMEOUT_MILLIS);
        socket.setTcpNoDelay(true);
    }

    public RawConnection send(String text) throws IOException {
        return send(text.getBytes(StandardCharsets.ISO_8859_1));
    }

    public RawConnection send(byte[] bytes) throws IOException {
        socket.getOutputStream().write(bytes);
        return this;
    }

    /// Upgrades to a WebSocket.
    public RawConnection upgrade(String path) throws IOException {
        send("GET " + path
                + " HTTP/1.1\r\nHost: worker\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
        var head = head();
        if (!head.startsWith("HTTP/1.1 101 ")) {
            throw new IOException("no upgrade: " + head);
        }
        return this;
    }

    /// Sends one masked frame.
    public RawConnection frame(int firstByte, byte[] payload) throws IOException {
        return send(encoded(firstByte, payload));
    }

    /// A masked frame, for what goes out in one write with others.
    public static byte[] encoded(int firstByte, byte[] payload) throws IOException {
        var frame = new ByteArrayOutputStream();
        frame.write(firstByte);
        if (payload.length < 126) {
            frame.write(0x80 | payload.length);
        } else if (payload.length < 1 << 16) {
            frame.write(0x80 | 126);
            frame.write(payload.length >> 8);
            frame.write(payload.length);
        } else {
            frame.write(0x80 | 127);
            frame.writeBytes(
                    ByteBuffer.allocate(Long.BYTES).putLong(payload.length).array());
        }
        // The mask is all zeros, so the payload is sent as it is.
        frame.writeBytes(new byte[4]);
        frame.writeBytes(payload);
        return frame.toByteArray();
    }

    public RawConnection text(String payload) throws IOException {
        return frame(0x81, payload.getBytes(StandardCharsets.UTF_8));
    }

    /// Reads to the end of a response's head.
    public String head() throws IOException {
        var head = new StringBuilder();
        while (head.indexOf("\r\n\r\n") < 0) {
            head.append((char) readByte());
        }
        return head.toString();
    }

    /// Reads until the worker closes the connection.
    public String rest() throws IOException {
        return new String(socket.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1);
    }

    /// The code of the close frame that must come next.
    public int closeCode() throws IOException {
        var opcode = readByte();
        if (opcode != 0x88) {
            throw new IOException("no close frame: opcode " + opcode);
        }
        return closeCodeAfterOpcode();
    }

    public int closeCodeAfterOpcode() throws IOException {
        var length = readByte();
        if (length < 2) {
            throw new IOException("a close frame without a code");
        }
        return readByte() << 8 | readByte();
    }

    /// A frame from the worker.
    ///
    /// @param first FIN, reserved bits and opcode
    public record Frame(int first, byte[] payload) {
        public String text() {
            return new String(payload, StandardCharsets.UTF_8);
        }

        /// The code of a close frame; 0 where it has none.
        public int closeCode() {
            return payload.length < 2 ? 0 : (payload[0] & 0xff) << 8 | payload[1] & 0xff;
        }
    }

    /// The next frame, which must not be masked.
    public Frame frame() throws IOException {
        var first = readByte();
        var length = (long) readByte();
        if (length > 125) {
            var bytes = length == 126 ? 2 : 8;
            length = 0;
            for (var i = 0; i < bytes; i++) {
                length = length << 8 | readByte();
            }
        }
        return new Frame(first, socket.getInputStream().readNBytes((int) length));
    }

    public void skip(long bytes) throws IOException {
        socket.getInputStream().skipNBytes(bytes);
    }

    /// Whether something came that is not read yet.
    public boolean hasMore() {
        try {
            return socket.getInputStream().available() > 0;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public int readByte() throws IOException {
        var value = socket.getInputStream().read();
        if (value < 0) {
            throw new IOException("the worker closed the connection");
        }
        return value;
    }

    /// Sends FIN and no more, and goes on reading.
    public void halfClose() throws IOException {
        socket.shutdownOutput();
    }

    /// Drops the connection by a reset.
    public void reset() throws IOException {
        socket.setSoLinger(true, 0);
        socket.close();
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
