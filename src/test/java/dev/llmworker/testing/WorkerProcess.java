package dev.llmworker.testing;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;

/// A worker in a JVM of its own that serves already.
public final class WorkerProcess implements AutoCloseable {
    public static final int SIGTERM_EXIT = 143;
    private static final int TIMEOUT_SECONDS = 150;
    private static final String SERVING = "serving on http://127.0.0.1:";

    /// All that it has printed.
    public final List<String> lines = new CopyOnWriteArrayList<>();

    public final int port;
    private final Process process;
    private final Thread reader;

    private WorkerProcess(Process process) {
        this.process = process;
        reader = Thread.ofVirtual().start(() -> {
            try (var output = process.inputReader()) {
                output.lines().forEach(lines::add);
            } catch (IOException e) {
                lines.add(e.toString());
            }
        });
        Await.until("it serves", () -> {
            assertTrue(process.isAlive(), () -> "it ended: " + lines);
            return lines.stream().anyMatch(line -> line.contains(SERVING));
        });
        var line = lines.stream().filter(it -> it.contains(SERVING)).findFirst().orElseThrow();
        port = Integer.parseInt(
                line.substring(line.indexOf(SERVING) + SERVING.length()).split(" ")[0]);
    }

    public static WorkerProcess start(Class<?> main, Map<String, String> environment) throws IOException {
        var variables = new HashMap<>(Map.of("ENGINE", "mock", "HOST", "127.0.0.1", "PORT", "0"));
        variables.putAll(environment);
        return new WorkerProcess(ChildJvm.of(main, variables).start());
    }

    public void terminate() {
        // Not by the process itself, which would close its output too.
        process.toHandle().destroy();
    }

    /// Ends its standard input.
    public void endInput() throws IOException {
        process.outputWriter().close();
    }

    public int exit() throws Exception {
        assertTrue(process.waitFor(TIMEOUT_SECONDS, TimeUnit.SECONDS), () -> "it hangs: " + lines);
        reader.join();
        return process.exitValue();
    }

    public HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path));
    }

    public HttpResponse<String> get(String path) throws Exception {
        return RunningWorker.send(request(path));
    }

    public HttpResponse<String> post(String path, String body) throws Exception {
        return RunningWorker.send(request(path).POST(HttpRequest.BodyPublishers.ofString(body)));
    }

    public TestSocket socket(String path) {
        return TestSocket.connect(URI.create("ws://127.0.0.1:" + port + path));
    }

    public RawConnection raw() throws IOException {
        return new RawConnection(new Socket(InetAddress.getLoopbackAddress(), port));
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }
}
