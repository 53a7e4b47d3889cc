package client;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import javax.net.ssl.SSLSocket;

/// A client's end of a WebSocket (RFC 6455). The JDK has one too, but shows neither the headers of the 101, where the
/// worker's id is, nor whether a connection ended by a frame, an end or a reset.
///
/// Threading: one thread reads; any thread sends or closes.
public final class WebSocketConnection implements AutoCloseable {
    private static final int TEXT = 1;
    private static final int CLOSE = 8;
    private static final int PING = 9;
    private static final int PONG = 10;
    private static final int MAX_MESSAGE_BYTES = 16 << 20;

    private final Socket socket;
    private final DataInputStream in;
    private final String worker;
    private volatile Optional<Ending.Closed> closeFrame = Optional.empty();

    private WebSocketConnection(Socket socket, DataInputStream in, String worker) {
        this.socket = socket;
        this.in = in;
        this.worker = worker;
    }

    /// @param headers beside those of the target
    /// @throws WebSocketException when the handshake is answered by something other than a 101
    public static WebSocketConnection open(Target target, String path, Map<String, String> headers) throws IOException {
        var limitMillis = (int) target.timeout().toMillis();
        var end = System.nanoTime() + target.timeout().toNanos();
        var host = target.base().getHost();
        var socket = new Socket();
        try {
            socket.connect(new InetSocketAddress(host, target.port()), limitMillis);
            socket.setTcpNoDelay(true);
            socket.setSoTimeout(Math.max(1, (int) ((end - System.nanoTime()) / 1_000_000)));
            if (target.isSecure()) {
                socket = secured(socket, target);
            }
            var in = new DataInputStream(new BufferedInputStream(socket.getInputStream()));
            var worker = WebSocketHandshake.make(target, path, headers, in, socket.getOutputStream());
            socket.setSoTimeout(0);
            return new WebSocketConnection(socket, in, worker);
        } catch (IOException e) {
            socket.close();
            throw e instanceof WebSocketException ? e : new WebSocketException(0, Failure.of(e));
        }
    }

    private static Socket secured(Socket plain, Target target) throws IOException {
        var factory = Tls.context(target.insecure()).getSocketFactory();
        var secure = (SSLSocket) factory.createSocket(plain, target.base().getHost(), target.port(), true);
        var parameters = secure.getSSLParameters();
        parameters.setApplicationProtocols(new String[] {"http/1.1"});
        if (!target.insecure()) {
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
        }
        secure.setSSLParameters(parameters);
        secure.startHandshake();
        return secure;
    }

    /// The id in the headers of the 101; empty where they have none.
    public String worker() {
        return worker;
    }

    public void send(String text) throws IOException {
        send(TEXT, text.getBytes(StandardCharsets.UTF_8));
    }

    /// Waits for the next text message; answers pings meanwhile.
    ///
    /// @return empty when the other side has closed, which `ending` then tells
    public Optional<String> receive() throws IOException {
        var message = new ByteArrayOutputStream();
        while (true) {
            var first = in.readUnsignedByte();
            var second = in.readUnsignedByte();
            var payload = payload(second & 0x7f);
            switch (first & 0x0f) {
                case PING -> send(PONG, payload);
                case PONG -> {}
                case CLOSE -> {
                    closeFrame = Optional.of(closed(payload));
                    send(CLOSE, Arrays.copyOf(payload, Math.min(2, payload.length)));
                    socket.close();
                    return Optional.empty();
                }
                default -> {
                    message.writeBytes(payload);
                    if (message.size() > MAX_MESSAGE_BYTES) {
                        throw new IOException("a message of more than " + MAX_MESSAGE_BYTES + " bytes");
                    }
                    if ((first & 0x80) != 0) {
                        return Optional.of(message.toString(StandardCharsets.UTF_8));
                    }
                }
            }
        }
    }

    private byte[] payload(int shortLength) throws IOException {
        var length = switch (shortLength) {
            case 126 -> in.readUnsignedShort();
            case 127 -> in.readLong();
            default -> (long) shortLength;
        };
        if (length < 0 || length > MAX_MESSAGE_BYTES) {
            throw new IOException("a frame of " + length + " bytes; at most " + MAX_MESSAGE_BYTES + " are read");
        }
        var payload = new byte[(int) length];
        in.readFully(payload);
        return payload;
    }

    private static Ending.Closed closed(byte[] payload) {
        if (payload.length < 2) {
            return new Ending.Closed(1005, "");
        }
        var code = Short.toUnsignedInt(ByteBuffer.wrap(payload).getShort());
        return new Ending.Closed(code, new String(payload, 2, payload.length - 2, StandardCharsets.UTF_8));
    }

    /// The close frame that came; empty while none has.
    public Optional<Ending.Closed> closeFrame() {
        return closeFrame;
    }

    private synchronized void send(int opcode, byte[] payload) throws IOException {
        var frame = ByteBuffer.allocate(14 + payload.length);
        frame.put((byte) (0x80 | opcode));
        if (payload.length < 126) {
            frame.put((byte) (0x80 | payload.length));
        } else if (payload.length < 1 << 16) {
            frame.put((byte) (0x80 | 126)).putShort((short) payload.length);
        } else {
            frame.put((byte) (0x80 | 127)).putLong(payload.length);
        }
        var mask = new byte[4];
        ThreadLocalRandom.current().nextBytes(mask);
        frame.put(mask);
        for (var i = 0; i < payload.length; i++) {
            frame.put((byte) (payload[i] ^ mask[i & 3]));
        }
        socket.getOutputStream().write(frame.array(), 0, frame.position());
    }

    /// How long `receive` waits at most; zero is for ever.
    public void readLimit(Duration limit) throws IOException {
        socket.setSoTimeout((int) limit.toMillis());
    }

    /// Says goodbye and hangs up.
    @Override
    public void close() {
        try (socket) {
            if (!socket.isClosed()) {
                send(CLOSE, new byte[] {0x03, (byte) 0xe8});
            }
        } catch (IOException _) {
            // It is gone already, which is what was wanted.
        }
    }
}
