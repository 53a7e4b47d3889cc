package dev.llmworker.serving.connection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.RawConnection;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.WorkerExtension;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// Clients of the WebSocket that leave in any way, and ones that stay and do not read.
class DisconnectTest {
    private static final String PROMPT = "{\"prompt\":\"x\"}";
    /// The head of a frame of 4,000 bytes.
    private static final byte[] HALF_FRAME = HexFormat.of().parseHex("81fe0fa000000000");

    private final ScriptedGenerator engine = new ScriptedGenerator();

    @RegisterExtension
    final WorkerExtension worker = WorkerExtension.of(engine);

    private interface Leaving {
        void leave(RawConnection client) throws Exception;
    }

    @Test
    void howeverAClientLeavesItsGenerationEndsAndWhatWaitsIsForgotten() throws Exception {
        Leaving[] ways = {
            RawConnection::reset,
            RawConnection::close,
            RawConnection::halfClose,
            client -> client.send(HALF_FRAME).reset(),
            client -> client.send(HALF_FRAME).halfClose(),
            client -> client.frame(0x01, "{\"prompt".getBytes(StandardCharsets.UTF_8))
                    .close(),
            client -> client.frame(0x88, new byte[0]),
            client -> client.frame(0xff, new byte[0]),
        };
        for (var way : ways) {
            var client = worker.raw().upgrade("/ws");
            client.text(PROMPT).text(PROMPT).text(PROMPT);
            var script = engine.next();
            script.endless();
            client.frame();
            way.leave(client);
            script.awaitClosed();
            Await.until("its socket is closed", () -> worker.stats.webSockets() == 0);
            Await.until("it is over", () -> worker.stats.runningGenerations() == 0);
            assertTrue(engine.hasNone(), "a prompt was begun after its client had left");
            client.close();
        }
    }

    @Test
    void aReaderThatStallsHoldsUpNobodyElse() throws Exception {
        try (var stalled = worker.raw().upgrade("/ws").text(PROMPT);
                var other = worker.socket("/ws")) {
            var flood = engine.next();
            var token = "x".repeat(1 << 14);
            for (var i = 0; i < 4_000; i++) {
                flood.emit(token);
            }
            flood.finish(FinishReason.STOP);
            Await.until("the writer waits", flood::readerWaits);
            assertTrue(flood.read.get() < 4_000, "all was taken from the engine and lies in memory");
            other.send(PROMPT);
            engine.next().emit("a").finish(FinishReason.STOP);
            assertEquals(2, other.answer().size());
            assertEquals(200, worker.get("/ping").statusCode());
            var tokens = 0;
            while (stalled.frame().text().contains("\"token\"")) {
                tokens++;
            }
            assertEquals(4_000, tokens);
        }
    }
}
