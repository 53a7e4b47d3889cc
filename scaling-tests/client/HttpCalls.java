package client;

import java.io.IOException;
import java.io.InputStream;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.Map;
import java.util.TreeMap;

/// Sends HTTP requests to the target, each with its headers and its limit in time.
///
/// Threading: any thread; a call blocks its caller, and ends when that is interrupted.
public final class HttpCalls {
    private final HttpClient client;
    private final Target target;
    private final RunClock clock;

    public HttpCalls(Target target, RunClock clock) {
        this.target = target;
        this.clock = clock;
        client = HttpClient.newBuilder()
                // A WebSocket has a connection of HTTP/1.1 to itself; requests are measured on the same ground.
                .version(HttpClient.Version.HTTP_1_1)
                .connectTimeout(target.timeout())
                // Java's list of authorities takes long to load, and plain HTTP needs none.
                .sslContext(Tls.context(target.insecure() || !target.isSecure()))
                .build();
    }

    public Answer get(String path) throws InterruptedException {
        return get(path, Map.of());
    }

    public Answer get(String path, Map<String, String> headers) throws InterruptedException {
        return answer(request(path, headers).GET());
    }

    public Answer post(String path, String json) throws InterruptedException {
        return answer(request(path, Map.of("Content-Type", "application/json")).POST(BodyPublishers.ofString(json)));
    }

    /// An answer that is read as it comes. The caller closes its body.
    public HttpResponse<InputStream> stream(String path, String json) throws IOException, InterruptedException {
        return client.send(
                request(path, Map.of("Content-Type", "application/json"))
                        .POST(BodyPublishers.ofString(json))
                        .build(),
                BodyHandlers.ofInputStream());
    }

    private HttpRequest.Builder request(String path, Map<String, String> headers) {
        var request = HttpRequest.newBuilder(target.http(path)).timeout(target.timeout());
        target.httpHeaders().forEach(request::setHeader);
        headers.forEach(request::setHeader);
        return request;
    }

    private Answer answer(HttpRequest.Builder request) throws InterruptedException {
        var at = clock.seconds();
        try {
            var response = client.send(request.build(), BodyHandlers.ofString());
            var headers = new TreeMap<String, String>(String.CASE_INSENSITIVE_ORDER);
            response.headers().map().forEach((name, values) -> headers.put(name, values.getFirst()));
            return new Answer(at, millis(at), response.statusCode(), Answer.worker(headers), response.body(), "");
        } catch (IOException e) {
            return new Answer(at, millis(at), 0, "", "", Failure.of(e));
        }
    }

    private double millis(double since) {
        return (clock.seconds() - since) * 1000;
    }
}
