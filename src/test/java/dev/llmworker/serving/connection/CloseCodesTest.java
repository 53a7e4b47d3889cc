package dev.llmworker.serving.connection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.MockGenerator;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.RawConnection;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import java.util.ArrayList;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.Test;

/// Why a WebSocket closes; 1001 and 1008 are in the tests of what they are for.
class CloseCodesTest {
    private static final byte[] NORMAL = {3, (byte) 0xe8};
    private static final int CLOSE = 0x88;
    private static final String HANDSHAKE =
            "GET /ws HTTP/1.1\r\nHost: worker\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    @Test
    void aClientThatClosesIsAnsweredByItsCode() throws Exception {
        try (var worker = RunningWorker.with(new MockGenerator());
                var raw = worker.raw().upgrade("/ws").frame(CLOSE, NORMAL)) {
            assertEquals(1000, raw.closeCode());
            assertEquals("", raw.rest());
            Await.until("it is counted no more", () -> worker.stats.webSockets() == 0);
        }
    }

    @Test
    void aMessageThatIsTooBigIs1009() throws Exception {
        try (var worker = RunningWorker.with(new MockGenerator());
                var socket = worker.socket("/ws")) {
            socket.send("{\"prompt\":\"" + "x".repeat(1 << 20) + "\"}");
            assertEquals(1009, socket.closeCode());
        }
    }

    @Test
    void aBugIs1011AndTheOtherConnectionsGoOn() throws Exception {
        var engine = new ScriptedGenerator();
        try (var worker = RunningWorker.with(engine);
                var plain = worker.socket("/ws");
                var withId = worker.socket("/ws");
                var other = worker.socket("/ws")) {
            engine.failure = new StackOverflowError("of a test");
            plain.send("{\"prompt\":\"x\"}");
            assertEquals(1011, plain.closeCode());
            withId.send("{\"prompt\":\"x\",\"id\":1}");
            assertEquals(1011, withId.closeCode());
            engine.failure = null;
            other.send("{\"prompt\":\"x\"}");
            engine.next().emit("t");
            assertEquals("{\"token\":\"t\",\"index\":0}", other.next());
            Await.until("the others are gone", () -> worker.stats.webSockets() == 1);
            assertEquals(1, worker.stats.runningGenerations());
        }
    }

    @Test
    void pastTheLimitHandshakesAreRefusedAndTakenAgainWhenOneLeaves() throws Exception {
        try (var worker = new RunningWorker(new MockGenerator(), Map.of("MAX_WEBSOCKETS", "2"));
                var first = worker.raw().upgrade("/ws");
                var second = worker.raw().upgrade("/ws")) {
            try (var third = worker.raw().send(HANDSHAKE)) {
                var head = third.head();
                assertTrue(head.startsWith("HTTP/1.1 503 "), head);
                assertTrue(head.toLowerCase(Locale.ROOT).contains("\r\nretry-after: 5\r\n"), head);
            }
            first.close();
            Await.until("one has left", () -> worker.stats.webSockets() == 1);
            try (var third = worker.raw().upgrade("/ws").text("{\"prompt\":\"x\",\"max_tokens\":1}")) {
                assertEquals(0x81, third.readByte());
            }
            second.reset();
        }
    }

    @Test
    void handshakesThatPassTogetherDoNotPassTheLimit() throws Exception {
        try (var worker = new RunningWorker(new MockGenerator(), Map.of("MAX_WEBSOCKETS", "1"));
                var clients = Executors.newVirtualThreadPerTaskExecutor()) {
            for (var round = 0; round < 10; round++) {
                var raws = new ArrayList<RawConnection>();
                for (var i = 0; i < 16; i++) {
                    raws.add(worker.raw());
                }
                var outcomes = clients.invokeAll(raws.stream()
                        .map(raw -> (Callable<Integer>) () -> outcome(raw))
                        .toList());
                var open = 0;
                for (var outcome : outcomes) {
                    var code = outcome.get();
                    assertTrue(code == 101 || code == 503 || code == 1013, "got " + code);
                    open += code == 101 ? 1 : 0;
                }
                assertTrue(open <= 1, open + " are open");
                for (var raw : raws) {
                    raw.close();
                }
                Await.until("all have left", () -> worker.stats.webSockets() == 0);
            }
        }
    }

    /// 101 where the connection answers a prompt, else the status or the code by which it was refused.
    private static int outcome(RawConnection raw) throws Exception {
        var status = raw.send(HANDSHAKE).head().substring("HTTP/1.1 ".length(), "HTTP/1.1 ".length() + 3);
        if (!status.equals("101")) {
            return Integer.parseInt(status);
        }
        raw.text("{\"prompt\":\"x\",\"max_tokens\":1}");
        return raw.readByte() == CLOSE ? raw.closeCodeAfterOpcode() : 101;
    }
}
