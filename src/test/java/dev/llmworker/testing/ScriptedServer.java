package dev.llmworker.testing;

import static org.junit.jupiter.api.Assertions.assertNotNull;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLServerSocket;
import org.jspecify.annotations.Nullable;

/// A server of OpenAI's API that answers byte by byte as the test says, with faults that no library would make.
public final class ScriptedServer implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String NOT_FOUND = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

    public final BlockingQueue<Request> requests = new LinkedBlockingQueue<>();
    private final ServerSocket server;
    private final Set<Socket> sockets = ConcurrentHashMap.newKeySet();
    private volatile Script script = (_, wire) -> wire.raw(NOT_FOUND);
    /// What `/health` answers; 404 where the server has none.
    public volatile int health = 200;

    /// Answers `/health` in the place of that; null for nothing.
    public volatile @Nullable Script check;

    public volatile int models = 200;
    public volatile String model = "served-model";
    /// What the list of models says of the server.
    public volatile String owner = "";

    /// What is answered to a generation.
    public interface Script {
        void answer(Request request, Wire wire) throws Exception;
    }

    /// @param text the body as it came
    public record Request(String path, Map<String, String> headers, JsonNode body, String text, CountDownLatch left) {
        public String header(String name) {
            return headers.getOrDefault(name, "");
        }

        /// Waits until the connection of a request that was not answered to its end is closed by the worker.
        public void awaitLeft() throws InterruptedException {
            if (!left.await(TestSocket.TIMEOUT_SECONDS, TimeUnit.SECONDS)) {
                throw new AssertionError("the worker did not leave");
            }
        }
    }

    public ScriptedServer() throws IOException {
        this(0);
    }

    public ScriptedServer(int port) throws IOException {
        this(listening(port));
    }

    /// @param server bound already
    public ScriptedServer(ServerSocket server) {
        this.server = server;
        Thread.ofVirtual().start(this::accept);
    }

    private static ServerSocket listening(int port) throws IOException {
        var server = new ServerSocket();
        server.setReuseAddress(true);
        server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
        return server;
    }

    public int port() {
        return server.getLocalPort();
    }

    public String url() {
        return (server instanceof SSLServerSocket ? "https://localhost:" : "http://127.0.0.1:") + port() + "/v1";
    }

    public ScriptedServer answers(Script next) {
        script = next;
        return this;
    }

    public Request next() throws InterruptedException {
        var request = requests.poll(TestSocket.TIMEOUT_SECONDS, TimeUnit.SECONDS);
        assertNotNull(request, "no request came");
        return request;
    }

    private void accept() {
        while (!server.isClosed()) {
            try {
                var socket = server.accept();
                // Else the second of two writes waits until the worker acknowledges the first one, 40 ms later.
                socket.setTcpNoDelay(true);
                sockets.add(socket);
                Thread.ofVirtual().start(() -> serve(socket));
            } catch (IOException _) {
                return;
            }
        }
    }

    private void serve(Socket socket) {
        try (socket) {
            var in = new BufferedInputStream(socket.getInputStream());
            var wire = new Wire(socket, in);
            while (true) {
                var line = line(in).split(" ");
                var headers = new HashMap<String, String>();
                for (var header = line(in); !header.isEmpty(); header = line(in)) {
                    var colon = header.indexOf(':');
                    headers.put(
                            header.substring(0, colon).toLowerCase(Locale.ROOT),
                            header.substring(colon + 1).strip());
                }
                var body = in.readNBytes(Integer.parseInt(headers.getOrDefault("content-length", "0")));
                if (line[0].equals("POST")) {
                    var request = new Request(
                            line[1],
                            headers,
                            JSON.readTree(body),
                            new String(body, StandardCharsets.UTF_8),
                            new CountDownLatch(1));
                    requests.add(request);
                    try {
                        script.answer(request, wire);
                    } catch (IOException e) {
                        // The worker has left, perhaps before the first byte of an answer; else this side cut it.
                        if (!socket.isClosed()) {
                            request.left.countDown();
                        }
                        throw e;
                    }
                } else if (line[1].equals("/health")) {
                    var own = check;
                    if (own == null) {
                        wire.json(health, "{}");
                    } else {
                        own.answer(
                                new Request(line[1], headers, MissingNode.getInstance(), "", new CountDownLatch(1)),
                                wire);
                    }
                } else {
                    wire.json(
                            models,
                            "{\"object\":\"list\",\"data\":[{\"id\":\"" + model + "\",\"owned_by\":\"" + owner
                                    + "\"}]}");
                }
            }
        } catch (Exception _) {
            // The worker left, or the test closed the connection.
        } finally {
            sockets.remove(socket);
        }
    }

    private static String line(InputStream in) throws IOException {
        var line = new StringBuilder();
        for (var c = in.read(); c != '\n'; c = in.read()) {
            if (c < 0) {
                throw new EOFException();
            }
            if (c != '\r') {
                line.append((char) c);
            }
        }
        return line.toString();
    }

    /// The server's side of a connection.
    public static final class Wire {
        private final Socket socket;
        private final InputStream in;

        private Wire(Socket socket, InputStream in) {
            this.socket = socket;
            this.in = in;
        }

        public void raw(byte[] bytes) throws IOException {
            socket.getOutputStream().write(bytes);
        }

        public void raw(String text) throws IOException {
            raw(text.getBytes(StandardCharsets.UTF_8));
        }

        public void json(int status, String body, String... headers) throws IOException {
            var head = new StringBuilder("HTTP/1.1 " + status + " Status\r\nContent-Type: application/json\r\n");
            for (var header : headers) {
                head.append(header).append("\r\n");
            }
            raw(head.append("Content-Length: " + body.getBytes(StandardCharsets.UTF_8).length + "\r\n\r\n") + body);
        }

        /// Begins a stream in chunks.
        public Wire stream() throws IOException {
            raw("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
            return this;
        }

        /// Begins a stream that ends with its connection.
        public Wire closingStream() throws IOException {
            raw("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nConnection: close\r\n\r\n");
            return this;
        }

        public Wire chunk(byte[] bytes) throws IOException {
            raw(Integer.toHexString(bytes.length) + "\r\n");
            raw(bytes);
            raw("\r\n");
            return this;
        }

        public Wire event(String data) throws IOException {
            return chunk(("data: " + data + "\n\n").getBytes(StandardCharsets.UTF_8));
        }

        /// An event of a chat with a piece of text.
        public Wire delta(String text) throws IOException {
            return event(ChatEvents.delta(text));
        }

        /// The end of a chat: finish reason, usage, the last event, the last chunk. The worker waits for the usage only
        /// for a while, so they go out together.
        public void end(String reason, int prompt, int completion) throws IOException {
            chunk(String.join(
                            "\n\n",
                            "data: " + ChatEvents.end(reason),
                            "data: " + ChatEvents.usage(prompt, completion),
                            "data: [DONE]\n\n")
                    .getBytes(StandardCharsets.UTF_8));
            raw("0\r\n\r\n");
        }

        /// Waits until the worker closes the connection.
        public void awaitLeft() throws IOException {
            while (in.read() >= 0) {
                // The worker sends nothing more.
            }
            throw new EOFException();
        }

        /// Drops the connection.
        public void cut() throws IOException {
            socket.close();
            throw new EOFException();
        }
    }

    /// Refuses connections from now on, and drops those that are there.
    @Override
    public void close() throws IOException {
        server.close();
        for (var socket : sockets) {
            socket.close();
        }
    }
}
