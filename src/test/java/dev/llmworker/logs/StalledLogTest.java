package dev.llmworker.logs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.Worker;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.ChildJvm;
import dev.llmworker.testing.FreePort;
import dev.llmworker.testing.Metrics;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.StartsProcesses;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A worker whose output goes to a pipe that nobody reads.
@StartsProcesses
@Timeout(180)
class StalledLogTest {
    private static final String KEY = "a-key-of-this-test";
    /// A pipe holds 64 KiB.
    private static final int PIPE_BYTES = 1 << 16;
    private static final int REFUSED = 2_000;
    private static final int AT_A_TIME = 50;
    private static final int MOST_GENERATIONS = 20_000;

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

    /// Sends a request many times, some of them at a time.
    private static void assertStatuses(int times, int status, HttpRequest.Builder request) {
        for (var sent = 0; sent < times; sent += AT_A_TIME) {
            var answers = Stream.generate(
                            () -> RunningWorker.HTTP.sendAsync(request.build(), HttpResponse.BodyHandlers.discarding()))
                    .limit(AT_A_TIME)
                    .toList();
            for (var answer : answers) {
                assertEquals(status, answer.join().statusCode());
            }
        }
    }

    private double droppedLines() throws Exception {
        var page =
                RunningWorker.send(request("/metrics").header("X-API-Key", KEY)).body();
        return Metrics.parse(page).value("llmworker_log_lines_dropped_total");
    }

    private Process start(Path pipe) throws IOException {
        port = FreePort.choose();
        var environment =
                Map.of("ENGINE", "mock", "HOST", "127.0.0.1", "PORT", Integer.toString(port), "API_KEYS", KEY);
        return ChildJvm.of(Worker.class, environment)
                .redirectOutput(pipe.toFile())
                .start();
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
                assertStatuses(REFUSED, 401, request("/stats"));
                // Generations have a line each.
                var body = HttpRequest.BodyPublishers.ofString("{\"prompt\":\"x\",\"max_tokens\":1}");
                var right = request("/generate").header("X-API-Key", KEY).POST(body);
                for (var sent = 0; droppedLines() == 0; sent += AT_A_TIME) {
                    assertTrue(sent < MOST_GENERATIONS, "no line is dropped");
                    assertStatuses(AT_A_TIME, 200, right);
                }
                assertStatuses(AT_A_TIME, 200, right);
                assertEquals(200, status(request("/ping")));
                process.toHandle().destroy();
                assertTrue(process.waitFor(150, TimeUnit.SECONDS), "it hangs at its end");
                assertEquals(143, process.exitValue());
                var said = new byte[PIPE_BYTES];
                var length = open.read(said);
                var lines = new String(said, 0, length).lines().filter(line -> line.contains("code=unauthorized"));
                assertTrue(lines.count() < REFUSED, "each refusal has a line");
            } finally {
                process.destroyForcibly();
            }
        }
    }
}
