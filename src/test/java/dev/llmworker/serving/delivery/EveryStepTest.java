package dev.llmworker.serving.delivery;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Generator;
import dev.llmworker.generation.Readiness;
import dev.llmworker.generation.Timings;
import dev.llmworker.generation.memory.HeldEvents;
import dev.llmworker.generation.memory.HeldMemory;
import dev.llmworker.serving.connection.ConnectionClock;
import dev.llmworker.stats.WorkerStats;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.Steps;
import io.vertx.core.Vertx;
import java.util.Iterator;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Whatever throws on the way of a request, over HTTP or a WebSocket, it gives back its memory, its place among the
/// running generations, and its connection. The steps are all that a request asks of an engine, and of the clock for
/// connections.
@Timeout(180)
class EveryStepTest {
    /// FIN, and the opcode of a close frame.
    private static final int CLOSE = 0x88;
    private static final int CONNECTIONS = 3;

    private final Steps steps = new Steps();
    private volatile Steps clocks = new Steps();
    private RunningWorker worker;

    private final class FragileEngine implements Generator {
        @Override
        public Generation submit(GenerationRequest request) {
            steps.next();
            return new FragileAnswer();
        }

        @Override
        public Readiness readiness() {
            return new Readiness.Ready();
        }

        @Override
        public Optional<String> modelId() {
            steps.next();
            return Optional.of("fragile");
        }

        @Override
        public void close() {}
    }

    private final class FragileAnswer implements Generation, Iterator<GenerationEvent> {
        private final HeldEvents<GenerationEvent> events = new HeldEvents<>();
        private boolean ended;

        @Override
        public void countIn(HeldMemory memory) {
            steps.next();
            memory.take(1000);
            events.countIn(memory);
            events.add(new GenerationEvent.Token(0, "a"));
            steps.next();
            events.add(new GenerationEvent.Token(1, "b"));
            events.add(new GenerationEvent.Finished(FinishReason.LENGTH, 1, 2));
        }

        @Override
        public void awaitAccepted() {
            steps.next();
        }

        @Override
        public Iterator<GenerationEvent> iterator() {
            steps.next();
            return this;
        }

        @Override
        public boolean hasNext() {
            return !ended;
        }

        @Override
        public GenerationEvent next() {
            steps.next();
            try {
                var event = events.take();
                ended = event instanceof GenerationEvent.Finished;
                return event;
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }

        @Override
        public @Nullable Timings timings() {
            steps.next();
            return null;
        }

        @Override
        public void close() {
            steps.next();
        }
    }

    private ConnectionClock clock(Vertx vertx) {
        return new ConnectionClock() {
            @Override
            public long nowMillis() {
                clocks.next();
                return TimeUnit.NANOSECONDS.toMillis(System.nanoTime());
            }

            @Override
            public void every(long millis, LongConsumer check) {}
        };
    }

    @BeforeEach
    void start() throws Exception {
        worker = new RunningWorker(
                new FragileEngine(), Map.of("MAX_CONNECTIONS", "" + CONNECTIONS), new WorkerStats(), this::clock);
    }

    @AfterEach
    void stop() {
        worker.close();
    }

    private void assertNothingIsHeld(String what) {
        var port = worker.port();
        Await.until(
                what + " gives everything back",
                () -> port.memory().usedBytes() == 0
                        && port.connections() == 0
                        && worker.stats.runningGenerations() == 0
                        && worker.stats.webSockets() == 0);
    }

    private void post(String path, String body) throws Exception {
        try (var connection = worker.raw()) {
            connection.send("POST " + path + " HTTP/1.1\r\nHost: w\r\nConnection: close\r\nContent-Length: "
                    + body.length() + "\r\n\r\n" + body);
            assertTrue(connection.rest().startsWith("HTTP/1.1 "), path);
        }
    }

    private void prompt(String body) throws Exception {
        try (var connection = worker.raw()) {
            connection.upgrade("/ws").text(body);
            var frame = connection.frame();
            while (frame.first() != CLOSE
                    && !frame.text().contains("done")
                    && !frame.text().contains("error")) {
                frame = connection.frame();
            }
            assertTrue(frame.first() != CLOSE || frame.closeCode() == 1011, "closed with " + frame.closeCode());
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ' ',
            quoteCharacter = '`',
            value = {
                "/generate {\"prompt\":\"x\"}",
                "/generate {\"prompt\":\"x\",\"stream\":true}",
                "/v1/chat/completions {\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
                "/v1/completions {\"prompt\":\"x\",\"stream\":true}",
                "/ws {\"prompt\":\"x\"}",
                "/ws {\"prompt\":\"x\",\"id\":1}"
            })
    void aRequestGivesEverythingBackWhateverThrows(String path, String body) throws Exception {
        var failing = 0;
        for (var failed = true; failed; failing++) {
            steps.failAfter(failing);
            if (path.equals("/ws")) {
                prompt(body);
            } else {
                post(path, body);
            }
            failed = steps.end();
            assertNothingIsHeld(path + " whose step " + failing + " fails");
        }
        assertTrue(failing > 8, failing + " steps");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "GET /ping HTTP/1.1\r\nHost: w\r\n\r\n",
                "POST /generate HTTP/1.1\r\nHost: w\r\nContent-Length: 14\r\n\r\n{\"prompt\":\"x\"}",
                "GET /ws HTTP/1.1\r\nHost: w\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            })
    void aConnectionGivesEverythingBackWhateverThrows(String request) throws Exception {
        clocks = steps;
        var failing = 0;
        for (var failed = true; failed; failing++) {
            steps.failAfter(failing);
            try (var connection = worker.raw()) {
                connection.send(request);
                Await.until("it is answered or has failed", () -> steps.hasFailed() || connection.hasMore());
            }
            assertNothingIsHeld("a connection whose step " + failing + " fails");
            failed = steps.end();
        }
        assertTrue(failing > 1, failing + " steps");
    }
}
