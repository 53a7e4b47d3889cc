package dev.llmworker.serving.port;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.Worker;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.RawConnection;
import dev.llmworker.testing.WorkerProcess;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Map;
import org.junit.jupiter.api.Test;

/// Half-sent bodies that are together larger than the heap, in a JVM of its own. They stopped the worker for good.
class HalfSentBodiesTest {
    private static final int BODIES = 200;
    private static final String HEAD = "POST /generate HTTP/1.1\r\nHost: w\r\nContent-Length: 1048576\r\n\r\n";

    @Test
    void theyDoNotFillTheHeap() throws Exception {
        var bytes = (HEAD + " ".repeat(1_048_575)).getBytes(StandardCharsets.US_ASCII);
        var connections = new ArrayList<RawConnection>();
        try (var worker = WorkerProcess.start(Worker.class, Map.of("JDK_JAVA_OPTIONS", "-Xmx128m"))) {
            for (var i = 0; i < BODIES; i++) {
                connections.add(worker.raw().send(bytes));
            }
            assertTrue(connections.getLast().head().startsWith("HTTP/1.1 503 "));
            assertEquals(200, worker.get("/ping").statusCode());
            for (var connection : connections) {
                connection.close();
            }
            Await.until("it serves again", () -> {
                try {
                    return worker.post("/generate", "{\"prompt\":\"x\"}").statusCode() == 200;
                } catch (Exception e) {
                    throw new IllegalStateException(e);
                }
            });
            assertTrue(worker.lines.stream().noneMatch(line -> line.contains("OutOfMemory")), worker.lines.toString());
        }
    }
}
