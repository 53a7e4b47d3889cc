package dev.llmworker.testing;

import dev.llmworker.assembly.WorkerBeans;
import dev.llmworker.generation.Generator;
import dev.llmworker.routes.CamelApplication;
import dev.llmworker.routes.RouteFiles;
import dev.llmworker.serving.port.HttpPort;
import dev.llmworker.settings.Settings;
import dev.llmworker.stats.WorkerStats;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.apache.camel.CamelContext;

/// A whole worker on a free port, over the real `routes/` unless told otherwise.
public final class RunningWorker implements AutoCloseable {
    public static final HttpClient HTTP = HttpClient.newHttpClient();

    public final WorkerStats stats;
    public final HttpPort port;
    private final CamelApplication camel;

    public RunningWorker(Generator generator, Map<String, String> environment) throws Exception {
        this(generator, environment, new WorkerStats());
    }

    /// @param stats that the generator tells of itself, too
    public RunningWorker(Generator generator, Map<String, String> environment, WorkerStats stats) throws Exception {
        this.stats = stats;
        var variables = new HashMap<>(Map.of("PORT", "0", "HOST", "127.0.0.1", "DRAIN_TIMEOUT", "0"));
        variables.putAll(environment);
        var settings = Settings.read(variables);
        port = HttpPort.open(settings.listen());
        camel = new CamelApplication(settings, WorkerBeans.of(port, generator, stats));
        camel.start();
    }

    public static RunningWorker with(Generator generator) throws Exception {
        return new RunningWorker(generator, Map.of());
    }

    public static RunningWorker with(Generator generator, Path routes) throws Exception {
        return new RunningWorker(generator, Map.of("ROUTES", routes.toString()));
    }

    public URI uri(String path) {
        return URI.create("http://127.0.0.1:" + port.port() + path);
    }

    public HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(uri(path));
    }

    public HttpResponse<String> get(String path) throws Exception {
        return send(request(path));
    }

    public HttpResponse<String> post(String path, String body) throws Exception {
        return send(request(path)
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body)));
    }

    public static HttpResponse<String> send(HttpRequest.Builder request) throws Exception {
        return HTTP.send(request.build(), HttpResponse.BodyHandlers.ofString());
    }

    public TestSocket socket(String path) {
        return TestSocket.connect(URI.create("ws://127.0.0.1:" + port.port() + path));
    }

    /// A connection without a client library, for what such a one would not send.
    public RawConnection raw() throws IOException {
        return new RawConnection(new Socket(InetAddress.getLoopbackAddress(), port.port()));
    }

    public CamelContext context() {
        return camel.getCamelContext();
    }

    public RouteFiles routeFiles() {
        return context().getRegistry().lookupByNameAndType("routeFiles", RouteFiles.class);
    }

    /// Binds a bean for routes that are loaded later.
    public void bind(String name, Object bean) {
        context().getRegistry().bind(name, bean);
    }

    @Override
    public void close() {
        camel.stop();
    }
}
