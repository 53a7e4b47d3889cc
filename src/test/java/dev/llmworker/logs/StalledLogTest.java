package dev.llmworker.logs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.Worker;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.RunningWorker;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpRequest;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A worker whose output goes to a pipe that nobody reads.
@Timeout(120)
class StalledLogTest {
    private static final String KEY = "a-key-of-this-test";
    /// A pipe holds 64 KiB.
    private static final int PIPE_BYTES = 1 << 16;

    @TempDir
    Path folder;

    private int port;

    private HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path));
    }

    private int status(HttpRequest.Builder request) {
        try {
            return RunningWorker.send(request).statusCode();
        } catch (Exception _) {
            return 0;
        }
    }

    private Process start(Path pipe) throws IOException {
        try (var free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = free.getLocalPort();
        }
        var builder = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        Worker.class.getName())
                .redirectErrorStream(true)
                .redirectOutput(pipe.toFile());
        builder.environment()
                .putAll(Map.of("ENGINE", "mock", "HOST", "127.0.0.1", "PORT", Integer.toString(port), "API_KEYS", KEY));
        return builder.start();
    }

    @Test
    void itStillAnswersWhenItsLogIsFullAndSaysWhatItDropped() throws Exception {
        var pipe = folder.resolve("pipe");
        assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
        // Open for reading, so that writing to it can begin.
        try (var open = new RandomAccessFile(pipe.toFile(), "rw")) {
            var process = start(pipe);
            try {
                Await.until("it serves", () -> {
                    assertTrue(process.isAlive());
                    return status(request("/stats").header("X-API-Key", KEY)) == 200;
                });
                for (var i = 0; i < 2000; i++) {
                    assertEquals(401, status(request("/stats")), "request " + i);
                }
                // Generations have a line each.
                var right = request("/generate").header("X-API-Key", KEY);
                var body = HttpRequest.BodyPublishers.ofString("{\"prompt\":\"x\",\"max_tokens\":1}");
                for (var i = 0; i < 4000; i++) {
                    assertEquals(200, status(right.POST(body)), "request " + i);
                }
                assertEquals(200, status(request("/ping")));
                var page = RunningWorker.send(request("/metrics").header("X-API-Key", KEY))
                        .body();
                var dropped = page.lines()
                        .filter(line -> line.startsWith("llmworker_log_lines_dropped_total "))
                        .findFirst()
                        .orElseThrow();
                assertTrue(Double.parseDouble(dropped.split(" ")[1]) > 0, dropped);
                process.toHandle().destroy();
                assertTrue(process.waitFor(60, TimeUnit.SECONDS), "it hangs at its end");
                assertEquals(143, process.exitValue());
                var said = new byte[PIPE_BYTES];
                var length = open.read(said);
                var lines = new String(said, 0, length).lines().filter(line -> line.contains("code=unauthorized"));
                assertTrue(lines.count() < 2000, "each refusal has a line");
            } finally {
                process.destroyForcibly();
            }
        }
    }
}
