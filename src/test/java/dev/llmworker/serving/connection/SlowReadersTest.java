package dev.llmworker.serving.connection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.RawConnection;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import java.io.IOException;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Clients that read nothing of what is sent to them are cut after `SEND_TIMEOUT`; those that read slowly are not.
class SlowReadersTest {
    // More than the sockets' buffers hold, at both ends.
    private static final int TOKENS = 4_000;
    private static final String TOKEN = "x".repeat(1 << 14);

    private final ScriptedGenerator engine = new ScriptedGenerator();
    private RunningWorker worker;

    @BeforeEach
    void start() throws Exception {
        // A WebSocket would be cut by its pings otherwise.
        worker = new RunningWorker(engine, Map.of("SEND_TIMEOUT", "1", "PING_INTERVAL", "0"));
    }

    @AfterEach
    void stop() {
        worker.close();
    }

    private RawConnection post(String path, String body) throws Exception {
        return worker.raw()
                .send("POST " + path + " HTTP/1.1\r\nHost: worker\r\nContent-Length: " + body.length() + "\r\n\r\n"
                        + body);
    }

    private ScriptedGenerator.Script flood() throws Exception {
        var flood = engine.next();
        for (var i = 0; i < TOKENS; i++) {
            flood.emit(TOKEN);
        }
        return flood;
    }

    @ParameterizedTest
    @ValueSource(strings = {"/generate", "/v1/completions", "/ws"})
    void aStreamThatNobodyReadsEnds(String path) throws Exception {
        var body = "{\"prompt\":\"x\",\"stream\":true}";
        try (var _ = path.equals("/ws") ? worker.raw().upgrade(path).text(body) : post(path, body)) {
            var flood = flood();
            flood.awaitClosed();
            Await.until("it is over", () -> worker.stats.finished("cancelled") == 1);
            assertTrue(worker.stats.wastedTokens() > 0, "all was sent though nobody read");
            assertEquals(0, worker.stats.runningGenerations());
            Await.until("the socket is closed", () -> worker.stats.webSockets() == 0);
        }
    }

    @Test
    void aWholeAnswerThatNobodyReadsIsForgotten() throws Exception {
        try (var client = post("/generate", "{\"prompt\":\"x\"}")) {
            flood().finish(FinishReason.STOP);
            Await.until("the answer is under way", () -> worker.stats.finished("stop") == 1);
            Await.until("the worker has closed", () -> {
                try {
                    client.send("x");
                    return false;
                } catch (IOException _) {
                    return true;
                }
            });
        }
    }

    @Test
    void aStreamThatIsReadSlowlyIsReadToItsEnd() throws Exception {
        try (var client = post("/generate", "{\"prompt\":\"x\",\"stream\":true}")) {
            flood().finish(FinishReason.STOP);
            // Six seconds and more.
            var piece = 1L << 20;
            for (var left = (long) TOKENS * TOKEN.length(); left > piece; left -= piece) {
                client.skip(piece);
                Thread.sleep(100);
            }
            Await.until("it is over", () -> worker.stats.finished("stop") == 1);
            assertEquals(0, worker.stats.wastedTokens());
        }
    }
}
