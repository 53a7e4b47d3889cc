package dev.llmworker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.assembly.Engines;
import dev.llmworker.settings.Settings;
import dev.llmworker.testing.StartsProcesses;
import dev.llmworker.testing.WorkerProcess;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// A worker without memory ends, with Java's arguments as the launcher and the images have them.
@StartsProcesses
class OutOfMemoryTest {
    /// The status with which the JVM ends.
    private static final int EXIT = 3;

    /// A worker that fills its heap once it was pinged.
    public static final class FillsItsHeap {
        private static final List<byte[]> KEPT = new ArrayList<>();

        public static void main(String[] args) throws Exception {
            Worker.serve(Settings.read(System.getenv()), (settings, port, stats) -> {
                Thread.ofPlatform().start(() -> {
                    while (!port.wasPinged()) {
                        Thread.onSpinWait();
                    }
                    while (true) {
                        KEPT.add(new byte[1 << 20]);
                    }
                });
                return Engines.start(settings, port.vertx(), stats);
            });
        }
    }

    @Test
    @Timeout(120)
    void theProcessEndsAndSaysSo() throws Exception {
        var arguments = Map.of("JDK_JAVA_OPTIONS", "@src/main/jvm/java.args -Xmx128m");
        try (var worker = WorkerProcess.start(FillsItsHeap.class, arguments)) {
            try {
                worker.get("/ping");
            } catch (IOException _) {
                // It has ended before it answered.
            }
            assertEquals(EXIT, worker.exit());
            assertTrue(
                    worker.lines.stream()
                            .anyMatch(line -> line.contains("Terminating due to java.lang.OutOfMemoryError")),
                    worker.lines::toString);
        }
    }
}
