package dev.llmworker.serving.delivery;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.RawConnection;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.WorkerExtension;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// Clients that leave, stall, or ask for more than their share.
class ClientsTest {
    private static final String PROMPT = "{\"prompt\":\"x\"}";

    private final ScriptedGenerator engine = new ScriptedGenerator();

    @RegisterExtension
    final WorkerExtension worker = WorkerExtension.of(engine);

    private RawConnection generate() throws Exception {
        return worker.raw()
                .send("POST /generate HTTP/1.1\r\nHost: worker\r\nContent-Length: " + PROMPT.length() + "\r\n\r\n"
                        + PROMPT);
    }

    @Test
    void anHttpClientThatResetsEndsItsGeneration() throws Exception {
        var client = generate();
        var script = engine.next();
        client.reset();
        script.awaitClosed();
        Await.until("the generation is over", () -> worker.stats.finished("cancelled") == 1);
        assertEquals(0, worker.stats.runningGenerations());
    }

    @Test
    void anHttpClientThatClosesEndsItsGeneration() throws Exception {
        var client = generate();
        var script = engine.next();
        client.close();
        script.awaitClosed();
    }

    @Test
    void aWebSocketThatIsDroppedEndsItsGenerationAndForgetsItsPrompts() throws Exception {
        for (var reset : new boolean[] {true, false}) {
            var client = worker.raw().upgrade("/ws").text(PROMPT).text(PROMPT);
            var script = engine.next();
            script.endless();
            if (reset) {
                client.reset();
            } else {
                client.close();
            }
            script.awaitClosed();
            Await.until(
                    "all is counted back",
                    () -> worker.stats.webSockets() == 0 && worker.stats.runningGenerations() == 0);
            assertTrue(engine.hasNone(), "the prompt that waited was not begun");
        }
    }

    @Test
    void aDroppedWebSocketEndsAGenerationThatHasNoTokenYet() throws Exception {
        var client = worker.raw().upgrade("/ws").text(PROMPT);
        var script = engine.next();
        client.reset();
        script.awaitClosed();
    }

    @Test
    void tokensMadeAfterTheClientLeftAreCountedAsWasted() throws Exception {
        var client = worker.raw().upgrade("/ws").text(PROMPT);
        var script = engine.next();
        script.lingers = true;
        client.reset();
        script.awaitClosed();
        script.emit("a").emit("b").finish(FinishReason.CANCELLED);
        Await.until("the generation is over", () -> worker.stats.finished("cancelled") == 1);
        assertEquals(2, worker.stats.wastedTokens());
    }

    @Test
    void aStalledReaderHoldsUpNobodyElseAndGetsAllWhenItReadsAgain() throws Exception {
        // Far more than the socket's buffers hold: only a part can be taken from the engine while nobody reads.
        var tokens = 4_000;
        var token = "x".repeat(1 << 14);
        var stalled = worker.raw().upgrade("/ws").text(PROMPT);
        var flood = engine.next();
        for (var i = 0; i < tokens; i++) {
            flood.emit(token);
        }
        flood.finish(FinishReason.STOP);
        Await.until("the stalled client's answer is under way", () -> flood.read.get() > 16);
        try (var other = worker.socket("/ws")) {
            other.send(PROMPT);
            var script = engine.next();
            for (var i = 0; i < 1000; i++) {
                script.emit("t" + i);
            }
            script.finish(FinishReason.STOP);
            assertEquals(1001, other.answer().size());
        }
        assertEquals(200, worker.get("/ping").statusCode());
        assertEquals(1, worker.stats.finished("stop"));
        assertTrue(flood.read.get() < tokens, "all was taken from the engine though nobody read");
        stalled.skip((long) tokens * token.length());
        Await.until("the stalled client's answer is over", () -> worker.stats.finished("stop") == 2);
        assertEquals(0, worker.stats.wastedTokens());
        stalled.close();
    }

    @Test
    void promptsAreAnsweredInTheirOrderAndOnlyOneRuns() throws Exception {
        try (var socket = worker.socket("/ws")) {
            socket.send("{\"prompt\":\"first\"}").send("nonsense").send("{\"prompt\":\"second\"}");
            var first = engine.next();
            assertEquals("first", first.prompt());
            assertTrue(engine.hasNone());
            first.emit("1").finish(FinishReason.STOP);
            assertEquals("{\"token\":\"1\",\"index\":0}", socket.next());
            assertEquals("{\"done\":true,\"total_tokens\":1}", socket.next());
            assertTrue(socket.next().startsWith("{\"error\":"), "an error waits for its turn too");
            var second = engine.next();
            assertEquals("second", second.prompt());
            second.finish(FinishReason.STOP);
            assertEquals("{\"done\":true,\"total_tokens\":0}", socket.next());
        }
    }

    @Test
    void theNinthWaitingPromptIsRefusedAndTheOthersRun() throws Exception {
        try (var socket = worker.socket("/ws")) {
            socket.send(PROMPT);
            var running = engine.next();
            for (var i = 0; i < 9; i++) {
                socket.send(PROMPT);
            }
            var refusal = socket.next();
            assertTrue(refusal.contains("8 prompts wait on this connection already"), refusal);
            running.finish(FinishReason.STOP);
            for (var i = 0; i < 8; i++) {
                engine.next().finish(FinishReason.STOP);
            }
            for (var i = 0; i < 9; i++) {
                assertEquals("{\"done\":true,\"total_tokens\":0}", socket.next());
            }
        }
    }

    @Test
    void aMessageOverTheLimitIsClosedWith1009() throws Exception {
        try (var client = worker.raw().upgrade("/ws")) {
            var part = new byte[60_000];
            client.frame(0x01, part);
            for (var i = 0; i < 17; i++) {
                client.frame(0x00, part);
            }
            assertEquals(1009, client.closeCode());
        }
        try (var client = worker.raw().upgrade("/ws")) {
            // A frame that says it has 2 MiB.
            client.send(new byte[] {(byte) 0x81, (byte) 0xff, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0});
            assertEquals(1009, client.closeCode());
        }
    }

    @Test
    void framesThatBreakTheProtocolAreClosedWithTheirCode() throws Exception {
        try (var client = worker.raw().upgrade("/ws").frame(0xc1, new byte[1])) {
            assertEquals(1002, client.closeCode(), "a reserved bit");
        }
        try (var client = worker.raw().upgrade("/ws").frame(0x88, new byte[] {0x13, (byte) 0x88})) {
            assertEquals(1002, client.closeCode(), "close code 5000");
        }
        try (var client = worker.raw().upgrade("/ws").frame(0x81, new byte[] {(byte) 0xff})) {
            assertEquals(1007, client.closeCode(), "no UTF-8");
        }
    }

    @Test
    void aCharacterMayLieAcrossTwoFramesWithAPingBetween() throws Exception {
        var text = "{\"prompt\":\"😀\"}".getBytes(StandardCharsets.UTF_8);
        var half = java.util.Arrays.copyOfRange(text, 0, 13);
        var rest = java.util.Arrays.copyOfRange(text, 13, text.length);
        try (var client = worker.raw()
                .upgrade("/ws")
                .frame(0x01, half)
                .frame(0x89, new byte[0])
                .frame(0x80, rest)) {
            var script = engine.next();
            assertEquals("😀", script.prompt());
            assertEquals(0x8a, client.readByte(), "a pong");
            script.finish(FinishReason.STOP);
        }
    }
}
