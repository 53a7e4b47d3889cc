package dev.llmworker.serving.port;

import static org.junit.jupiter.api.Assertions.assertEquals;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import dev.llmworker.serving.access.ApiKeys;
import dev.llmworker.serving.access.Origins;
import dev.llmworker.serving.connection.Timeouts;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Isolated;
import org.slf4j.LoggerFactory;

@Isolated("it expects that nothing is logged")
class HttpPortClosingTest {
    private final CountDownLatch closed = new CountDownLatch(1);

    /// As a slow disk would have it.
    private void hold(BlockingQueue<Thread> reading) {
        reading.add(Thread.currentThread());
        var interrupted = false;
        while (closed.getCount() > 0) {
            try {
                closed.await();
            } catch (InterruptedException _) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    @Test
    void keysThatAreBeingReadWhenThePortClosesAreNoError(@TempDir Path folder) throws Exception {
        var root = (Logger) LoggerFactory.getLogger(org.slf4j.Logger.ROOT_LOGGER_NAME);
        var logged = new ListAppender<ILoggingEvent>();
        logged.start();
        root.addAppender(logged);
        try {
            var file = Files.writeString(folder.resolve("keys"), "the-first-key-of-all");
            var keys = ApiKeys.of(null, file);
            var port = new HttpPort(new ListenSettings(
                    "127.0.0.1",
                    0,
                    0,
                    Set.of(),
                    1 << 20,
                    Timeouts.DEFAULT,
                    10,
                    new Capacity(1 << 20, 10, 0, 0, Duration.ZERO),
                    keys,
                    ApiKeys.NONE,
                    Origins.UNLISTED,
                    Set.of(),
                    Set.of(),
                    Duration.ofMinutes(5),
                    null,
                    null,
                    null));
            var reading = new LinkedBlockingQueue<Thread>();
            keys.whenChanged(() -> hold(reading));
            Files.writeString(file, "the-second-key-of-all");

            var reader = reading.take();
            port.close();
            closed.countDown();
            reader.join();

            assertEquals(
                    List.of(),
                    logged.list.stream()
                            .filter(event -> event.getLevel().isGreaterOrEqual(Level.ERROR))
                            .map(ILoggingEvent::getFormattedMessage)
                            .toList());
        } finally {
            root.detachAppender(logged);
        }
    }
}
