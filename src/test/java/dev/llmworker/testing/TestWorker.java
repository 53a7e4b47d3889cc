package dev.llmworker.testing;

import dev.llmworker.serving.port.HttpPort;
import dev.llmworker.stats.WorkerStats;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/// A worker in this process, and the clients by which a test talks to it.
public abstract class TestWorker {
    public static final HttpClient HTTP = HttpClient.newHttpClient();

    public final WorkerStats stats;

    TestWorker(WorkerStats stats) {
        this.stats = stats;
    }

    public abstract HttpPort port();

    public final URI uri(String path) {
        return URI.create("http://127.0.0.1:" + port().port() + path);
    }

    public final HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(uri(path));
    }

    public final HttpResponse<String> get(String path) throws Exception {
        return send(request(path));
    }

    public final HttpResponse<String> post(String path, String body) throws Exception {
        return send(request(path)
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body)));
    }

    public static HttpResponse<String> send(HttpRequest.Builder request) throws Exception {
        return HTTP.send(request.build(), HttpResponse.BodyHandlers.ofString());
    }

    public final TestSocket socket(String path) {
        return TestSocket.connect(URI.create("ws://127.0.0.1:" + port().port() + path));
    }

    /// A connection without a client library, for requests that no library would send.
    public final RawConnection raw() throws IOException {
        return new RawConnection(new Socket(InetAddress.getLoopbackAddress(), port().port()));
    }
}
