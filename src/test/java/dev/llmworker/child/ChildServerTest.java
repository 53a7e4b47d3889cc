package dev.llmworker.child;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.Await;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// What is left of a server if the worker itself has a fault.
@Timeout(180)
class ChildServerTest {
    @TempDir
    Path folder;

    private final LinkedBlockingQueue<String> failures = new LinkedBlockingQueue<>();

    /// A front that fails while its server runs.
    private abstract class FaultyFront implements ChildServer.Front {
        @Override
        public void opened(int port) {
            Await.until("the server runs", () -> pid() > 0);
        }

        @Override
        public void closed() {}

        @Override
        public boolean isReady() {
            return true;
        }

        @Override
        public long heard() {
            return 0;
        }

        @Override
        public void failing(String how) {}

        @Override
        public void recovered() {}

        @Override
        public void failed(String reason) {
            failures.add(reason);
        }

        @Override
        public void restarted() {}
    }

    private long pid() {
        var file = folder.resolve("pid");
        try {
            var text = Files.exists(file) ? Files.readString(file) : "";
            return text.endsWith("\n") ? Long.parseLong(text.strip()) : 0;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private String failure(ChildServer.Front front) throws Exception {
        var script = "echo $$ > " + folder.resolve("pid") + "; exec sleep 600";
        var minute = Duration.ofMinutes(1);
        try (var _ = ChildServer.start(
                () -> _ -> List.of("bash", "-c", script),
                new Launcher(System.getenv(), Duration.ofSeconds(1)),
                front,
                ChildServer.Limits.of(minute, minute))) {
            var failure = failures.take();
            assertFalse(ProcessHandle.of(pid()).map(ProcessHandle::isAlive).orElse(false), "the server is left behind");
            return failure;
        }
    }

    @Test
    void aFrontThatCannotCloseLeavesNoServerBehind() throws Exception {
        var failure = failure(new FaultyFront() {
            @Override
            public boolean isReady() {
                throw new IllegalStateException("a bug");
            }

            @Override
            public void closed() {
                throw new IllegalStateException("another bug");
            }
        });
        assertTrue(failure.contains("another bug"), failure);
    }

    @Test
    void anErrorIsAFailureToo() throws Exception {
        var failure = failure(new FaultyFront() {
            @Override
            public boolean isReady() {
                throw new AssertionError("a bug");
            }
        });
        assertTrue(failure.contains("a bug"), failure);
    }
}
