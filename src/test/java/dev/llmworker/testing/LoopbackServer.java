package dev.llmworker.testing;

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.llmworker.hub.download.ReadBytes;
import dev.llmworker.hub.progress.Progress;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/// A web server on loopback that answers, and misbehaves, as a test tells it.
public final class LoopbackServer implements AutoCloseable {
    public interface Reply {
        void to(HttpExchange exchange) throws IOException;
    }

    public record Request(String pathAndQuery, Headers headers) {
        public String header(String name) {
            var value = headers.getFirst(name);
            return value == null ? "" : value;
        }
    }

    private final HttpServer server;
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final Map<String, Queue<Reply>> replies = new ConcurrentHashMap<>();
    private final List<Request> requests = new ArrayList<>();
    private final CountDownLatch closed = new CountDownLatch(1);
    private final ReadBytes reader = new ReadBytes();

    public LoopbackServer() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(threads);
        server.createContext("/", this::answer);
        server.start();
    }

    /// The replies to requests for the path, in turn; the last one stays.
    public void on(String path, Reply... inTurn) {
        replies.put(path, new ArrayDeque<>(List.of(inTurn)));
    }

    public URI address(String path) {
        return URI.create("http://127.0.0.1:" + server.getAddress().getPort() + path);
    }

    public synchronized List<Request> requests() {
        return List.copyOf(requests);
    }

    /// A file as good servers give it: with ranges, and only of the version that `If-Range` names.
    public static Reply file(byte[] content, String etag) {
        return exchange -> send(exchange, content, etag, offset(exchange, etag), content.length);
    }

    /// The same, but the connection drops when the client, which reports to `reader`, has read the file's first `upTo`
    /// bytes. What is still on its way when a connection drops may be lost.
    public Reply droppedAt(int upTo, byte[] content, String etag) {
        return exchange -> {
            var from = offset(exchange, etag);
            send(exchange, content, etag, from, upTo);
            reader.await(Math.max(from, upTo));
        };
    }

    /// What the client that downloads from here reports its progress to.
    public Progress reader() {
        return reader;
    }

    /// The same, but nothing comes after the first `upTo` bytes, until the server is closed.
    public Reply stalledAt(int upTo, byte[] content, String etag) {
        return exchange -> {
            exchange.getResponseHeaders().set("ETag", etag);
            exchange.sendResponseHeaders(200, content.length);
            exchange.getResponseBody().write(content, 0, upTo);
            exchange.getResponseBody().flush();
            try {
                closed.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        };
    }

    public static Reply withoutRanges(byte[] content) {
        return exchange -> {
            exchange.sendResponseHeaders(200, content.length);
            exchange.getResponseBody().write(content);
        };
    }

    /// No Content-Length: the body comes in chunks.
    public static Reply chunked(byte[] content) {
        return exchange -> {
            exchange.sendResponseHeaders(200, 0);
            exchange.getResponseBody().write(content);
        };
    }

    public static Reply text(String text) {
        return withoutRanges(text.getBytes(StandardCharsets.UTF_8));
    }

    public static Reply status(int status) {
        return exchange -> exchange.sendResponseHeaders(status, -1);
    }

    public static Reply redirect(String location) {
        return with("Location", location, status(302));
    }

    public static Reply with(String header, String value, Reply reply) {
        return exchange -> {
            exchange.getResponseHeaders().set(header, value);
            reply.to(exchange);
        };
    }

    /// Takes one connection, and answers its TLS handshake with an alert.
    public static void refuseHandshake(ServerSocket listening) {
        try (var connection = listening.accept()) {
            if (connection.getInputStream().read(new byte[16_384]) < 0) {
                throw new IOException("the client said nothing");
            }
            // An alert record of TLS 1.2: fatal, handshake_failure.
            connection.getOutputStream().write(new byte[] {21, 3, 3, 0, 2, 2, 40});
            connection.getOutputStream().flush();
            connection.getInputStream().transferTo(OutputStream.nullOutputStream());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        closed.countDown();
        server.stop(0);
        threads.shutdownNow();
    }

    private void answer(HttpExchange exchange) throws IOException {
        var uri = exchange.getRequestURI();
        Reply reply;
        synchronized (this) {
            requests.add(new Request(uri.toString(), exchange.getRequestHeaders()));
            var inTurn = replies.getOrDefault(uri.getPath(), new ArrayDeque<>(List.of(status(404))));
            reply = inTurn.size() > 1 ? inTurn.remove() : inTurn.element();
        }
        // Closing before all announced bytes are out drops the connection.
        try (exchange) {
            reply.to(exchange);
        }
    }

    private static int offset(HttpExchange exchange, String etag) {
        var range = exchange.getRequestHeaders().getFirst("Range");
        var version = exchange.getRequestHeaders().getFirst("If-Range");
        return range == null || (version != null && !version.equals(etag))
                ? 0
                : Integer.parseInt(range.substring("bytes=".length(), range.length() - 1));
    }

    private static void send(HttpExchange exchange, byte[] content, String etag, int from, int upTo)
            throws IOException {
        exchange.getResponseHeaders().set("ETag", etag);
        if (from >= content.length) {
            exchange.sendResponseHeaders(416, -1);
            return;
        }
        if (from > 0) {
            exchange.getResponseHeaders()
                    .set("Content-Range", "bytes " + from + "-" + (content.length - 1) + "/" + content.length);
        }
        exchange.sendResponseHeaders(from > 0 ? 206 : 200, content.length - from);
        exchange.getResponseBody().write(content, from, Math.max(0, upTo - from));
        exchange.getResponseBody().flush();
    }
}
