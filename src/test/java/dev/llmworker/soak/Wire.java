package dev.llmworker.soak;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import javax.net.ssl.SSLContext;

/// A TCP connection to the worker: HTTP and WebSocket without a library between, so that it can be used badly.
final class Wire implements AutoCloseable {
    static final int TEXT = 0x81;
    private static final int PING = 0x89;
    private static final int PONG = 0x8a;
    /// The one that the worker takes.
    static final String KEY = "soak-0123456789abcdef";

    private static final String KEY_HEADER = "X-API-Key: " + KEY + "\r\n";

    private static final int CONNECT_MILLIS = 20_000;
    // An answer that takes longer hangs.
    private static final int READ_MILLIS = 120_000;
    private static final int BUFFER_BYTES = 2048;

    private final Socket socket;
    private final InputStream in;

    /// The head of an answer. Names of headers are in small letters.
    record Head(int status, Map<String, String> headers) {}

    /// A whole answer.
    record Answer(Head head, String body) {
        int status() {
            return head.status();
        }
    }

    /// @param first FIN, reserved bits and opcode
    record Frame(int first, byte[] payload) {
        boolean isText() {
            return first == TEXT;
        }

        String text() {
            return new String(payload, StandardCharsets.UTF_8);
        }
    }

    Wire(int port) throws IOException {
        this(port, "127.0.0.1");
    }

    /// @param from the client's own address; all of 127.0.0.0/8 is this machine
    Wire(int port, String from) throws IOException {
        this(connected(port, from));
    }

    /// With TLS.
    Wire(int port, SSLContext tls) throws IOException {
        this(tls.getSocketFactory().createSocket(connected(port, "127.0.0.1"), "127.0.0.1", port, true));
    }

    private Wire(Socket socket) throws IOException {
        this.socket = socket;
        in = new BufferedInputStream(socket.getInputStream(), BUFFER_BYTES);
    }

    private static Socket connected(int port, String from) throws IOException {
        var socket = new Socket();
        socket.bind(new InetSocketAddress(from, 0));
        socket.setTcpNoDelay(true);
        socket.setSoTimeout(READ_MILLIS);
        socket.connect(new InetSocketAddress("127.0.0.1", port), CONNECT_MILLIS);
        return socket;
    }

    /// A request with a JSON body.
    static byte[] post(String path, String body) {
        var bytes = body.getBytes(StandardCharsets.UTF_8);
        var head = "POST " + path + " HTTP/1.1\r\nHost: worker\r\n" + KEY_HEADER
                + "Content-Type: application/json\r\nContent-Length: " + bytes.length + "\r\n\r\n";
        return (head + body).getBytes(StandardCharsets.UTF_8);
    }

    static byte[] get(String path) {
        return getWith(path, KEY_HEADER);
    }

    /// @param headers each with its line end
    static byte[] getWith(String path, String headers) {
        return ("GET " + path + " HTTP/1.1\r\nHost: worker\r\n" + headers + "\r\n").getBytes(StandardCharsets.UTF_8);
    }

    static byte[] frame(int first, byte[] payload) {
        var length = payload.length;
        var frame = ByteBuffer.allocate(length + 14).put((byte) first);
        if (length < 126) {
            frame.put((byte) (0x80 | length));
        } else if (length < 1 << 16) {
            frame.put((byte) 0xfe).putShort((short) length);
        } else {
            frame.put((byte) 0xff).putLong(length);
        }
        // The mask is all zeros, so the payload is sent as it is.
        frame.putInt(0).put(payload).flip();
        var bytes = new byte[frame.remaining()];
        frame.get(bytes);
        return bytes;
    }

    Wire send(byte[] bytes) throws IOException {
        socket.getOutputStream().write(bytes);
        return this;
    }

    Wire text(String message) throws IOException {
        return send(frame(TEXT, message.getBytes(StandardCharsets.UTF_8)));
    }

    static byte[] handshake() {
        return ("GET /ws?token=" + KEY + " HTTP/1.1\r\nHost: worker\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
                .getBytes(StandardCharsets.UTF_8);
    }

    Wire upgrade() throws IOException {
        send(handshake());
        var head = head();
        if (head.status() != 101) {
            throw new IOException("no upgrade: " + head);
        }
        return this;
    }

    Head head() throws IOException {
        var line = line();
        if (!line.startsWith("HTTP/1.")) {
            throw new IOException("no answer: " + line);
        }
        var headers = new TreeMap<String, String>();
        for (var header = line(); !header.isEmpty(); header = line()) {
            var colon = header.indexOf(':');
            headers.put(
                    header.substring(0, colon).toLowerCase(Locale.ROOT),
                    header.substring(colon + 1).strip());
        }
        return new Head(Integer.parseInt(line.substring(9, 12)), headers);
    }

    Answer answer() throws IOException {
        var head = head();
        if (head.headers().containsKey("transfer-encoding")) {
            var body = new StringBuilder();
            for (var chunk = chunk(); !chunk.isEmpty(); chunk = chunk()) {
                body.append(chunk);
            }
            return new Answer(head, body.toString());
        }
        var length = Integer.parseInt(head.headers().getOrDefault("content-length", "0"));
        return new Answer(head, new String(bytes(length), StandardCharsets.UTF_8));
    }

    /// The next chunk of a body that has no length; empty at its end.
    public String chunk() throws IOException {
        var chunk = new String(bytes(Integer.parseInt(line(), 16)), StandardCharsets.UTF_8);
        line();
        return chunk;
    }

    /// The next frame but pings, which it answers.
    Frame frame() throws IOException {
        var frame = anyFrame();
        while (frame.first() == PING) {
            send(frame(PONG, frame.payload()));
            frame = anyFrame();
        }
        return frame;
    }

    /// The text of all frames of an answer, or that of an error.
    String answerFrames() throws IOException {
        var frames = new StringBuilder();
        while (frames.indexOf("\"done\"") < 0 && frames.indexOf("\"error\"") < 0) {
            var frame = frame();
            if (frame.isText()) {
                frames.append(frame.text());
            } else if ((frame.first() & 15) == 8) {
                throw new IllegalStateException("closed amid an answer");
            }
        }
        return frames.toString();
    }

    private Frame anyFrame() throws IOException {
        var head = bytes(2);
        var length = (long) head[1];
        if (length > 125) {
            length = ByteBuffer.allocate(8)
                    .position(length == 126 ? 6 : 0)
                    .put(bytes(length == 126 ? 2 : 8))
                    .getLong(0);
        }
        return new Frame(head[0] & 0xff, bytes((int) length));
    }

    /// @return -1 at the end of the connection
    int readByte() throws IOException {
        return in.read();
    }

    private byte[] bytes(int count) throws IOException {
        var bytes = in.readNBytes(count);
        if (bytes.length < count) {
            throw new IOException("the worker closed the connection");
        }
        return bytes;
    }

    private String line() throws IOException {
        var line = new ByteArrayOutputStream();
        for (var c = in.read(); c != '\n'; c = in.read()) {
            if (c < 0) {
                throw new IOException("the worker closed the connection");
            }
            line.write(c);
        }
        return line.toString(StandardCharsets.UTF_8).strip();
    }

    /// What comes until the end of the connection, or until nothing has come for `quietMillis`.
    String rest(int quietMillis) throws IOException {
        var rest = new ByteArrayOutputStream();
        socket.setSoTimeout(quietMillis);
        try {
            in.transferTo(rest);
        } catch (IOException _) {
            // Reset or quiet: what came is what counts.
        }
        socket.setSoTimeout(READ_MILLIS);
        return rest.toString(StandardCharsets.ISO_8859_1);
    }

    /// Sends FIN and reads on.
    void halfClose() throws IOException {
        socket.shutdownOutput();
    }

    void reset() throws IOException {
        if (!socket.isClosed()) {
            socket.setSoLinger(true, 0);
            socket.close();
        }
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
