package dev.llmworker.serving.connection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.MockGenerator;
import dev.llmworker.stats.WorkerStats;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.EventLoops;
import dev.llmworker.testing.ManualClock;
import dev.llmworker.testing.RawConnection;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.WorkerExtension;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// Clients that send slowly, or have vanished, are disconnected; clients that are only quiet are not.
class TimeoutsTest {
    private static final String UPGRADE = "/ws";
    private static final String PING_REQUEST = "GET /ping HTTP/1.1\r\nHost: worker\r\n\r\n";
    private static final int TEXT_BEGINS = 0x01;
    private static final int GOES_ON = 0x00;
    private static final int CLOSE = 0x88;
    private static final int PING = 0x89;
    private static final int PONG = 0x8a;
    private static final Duration SECOND = Duration.ofSeconds(1);
    private static final Duration DRIB = Duration.ofMillis(200);

    private final ManualClock clock = new ManualClock();

    @RegisterExtension
    final WorkerExtension worker = WorkerExtension.mock()
            .with("HEADER_TIMEOUT", "1")
            .with("BODY_TIMEOUT", "2")
            .with("IDLE_TIMEOUT", "1")
            .with("PING_INTERVAL", "0")
            .with(clock);

    /// A connection that the worker has accepted: its time runs.
    private RawConnection connect() throws IOException {
        var raw = worker.raw();
        Await.until("it is accepted", () -> worker.port().slowSenders().connections() == 1);
        return raw;
    }

    /// Sends a byte each 200 ms. The last ones may come after the worker has closed.
    private void trickle(RawConnection raw, String bytes) {
        try {
            for (var b : bytes.getBytes(StandardCharsets.ISO_8859_1)) {
                raw.send(new byte[] {b});
                clock.advance(DRIB);
            }
        } catch (IOException _) {
            // What the worker does then is the test's to say.
        }
    }

    /// Waits until the worker has read all that was sent.
    private static void settle(RawConnection webSocket) throws IOException {
        webSocket.frame(PING, new byte[0]);
        assertEquals(PONG, webSocket.readByte());
        assertEquals(0, webSocket.readByte());
    }

    private void assertCut(RawConnection raw) {
        Await.until("the worker has closed", () -> worker.port().slowSenders().connections() == 0);
        assertEquals("", unlessReset(raw));
    }

    /// What the worker sent until the end of the connection; by a reset, if it had not read all that was sent to it.
    private static String unlessReset(RawConnection raw) {
        try {
            return raw.rest();
        } catch (IOException _) {
            return "";
        }
    }

    /// Advances the clock until the worker closes the WebSocket.
    private int closeCodeInTime(RawConnection webSocket) {
        var code = CompletableFuture.supplyAsync(() -> {
            try {
                return webSocket.closeCode();
            } catch (IOException e) {
                throw new IllegalStateException(e);
            }
        });
        Await.until("the worker closes", () -> {
            clock.advance(DRIB);
            return code.isDone();
        });
        return code.join();
    }

    @Test
    void aHeaderThatComesByDribsIsCut() throws Exception {
        try (var raw = connect()) {
            trickle(raw, "GET /ping");
            assertCut(raw);
        }
    }

    @Test
    void aHeaderThatIsThereInTimeIsAnswered() throws Exception {
        try (var raw = connect()) {
            trickle(raw, "GET /");
            raw.send("ping HTTP/1.1\r\nHost: worker\r\n\r\n");
            assertTrue(raw.head().startsWith("HTTP/1.1 200 "));
        }
    }

    @Test
    void aConnectionThatSaysNothingIsCut() throws Exception {
        try (var raw = connect()) {
            clock.advance(SECOND.multipliedBy(2));
            assertCut(raw);
        }
    }

    @Test
    void aConnectionThatIsIdleAfterARequestIsCut() throws Exception {
        try (var raw = connect().send(PING_REQUEST)) {
            assertTrue(raw.head().startsWith("HTTP/1.1 200 "));
            raw.skip("{\"status\":\"healthy\"}".length());
            Await.until("it is answered", () -> !worker.port().slowSenders().haveRequest());
            clock.advance(SECOND);
            raw.send(PING_REQUEST);
            assertTrue(raw.head().startsWith("HTTP/1.1 200 "), "it is cut before its time");
            raw.skip("{\"status\":\"healthy\"}".length());
            Await.until("it is answered", () -> !worker.port().slowSenders().haveRequest());
            clock.advance(SECOND.multipliedBy(3));
            assertCut(raw);
        }
    }

    @Test
    void aBodyThatComesByDribsIsCut() throws Exception {
        try (var raw = connect().send("POST /generate HTTP/1.1\r\nHost: worker\r\nContent-Length: 1000\r\n\r\n")) {
            Await.until("its header is read", () -> worker.port().slowSenders().haveRequest());
            trickle(raw, "{\"prompt\":");
            assertEquals(1, worker.port().slowSenders().connections(), "it is cut before its time");
            trickle(raw, "\"xx");
            assertCut(raw);
        }
    }

    @Test
    void aMessageWhoseFragmentsComeByDribsIsCut() throws Exception {
        try (var raw = worker.raw().upgrade(UPGRADE)) {
            raw.frame(TEXT_BEGINS, "{".getBytes(StandardCharsets.UTF_8));
            settle(raw);
            for (var i = 0; i < 10; i++) {
                clock.advance(DRIB);
                raw.frame(GOES_ON, new byte[0]);
                settle(raw);
            }
            clock.advance(SECOND);
            assertEquals(1008, raw.closeCode());
        }
    }

    @Test
    void aFrameThatIsNotSentToItsEndIsCut() throws Exception {
        try (var raw = worker.raw().upgrade(UPGRADE)) {
            raw.send(new byte[] {(byte) 0x81, (byte) 0xfe, 4, 0, 0, 0, 0, 0});
            assertEquals(1008, closeCodeInTime(raw));
        }
    }

    @Test
    void aWebSocketThatIsQuietStaysOpen() throws Exception {
        try (var raw = worker.raw().upgrade(UPGRADE)) {
            settle(raw);
            // The pong has arrived, and Netty counts it as sent a moment later.
            EventLoops.turn(worker.port().vertx());
            clock.advance(Duration.ofHours(1));
            settle(raw);
        }
    }

    @Test
    void aPeerThatAnswersNoPingIsClosedAndOneThatDoesIsNot() throws Exception {
        var ticking = new ManualClock();
        try (var pinging = new RunningWorker(
                        new MockGenerator(),
                        Map.of("PING_INTERVAL", "1", "PONG_TIMEOUT", "1"),
                        new WorkerStats(),
                        _ -> ticking);
                var dead = pinging.raw().upgrade(UPGRADE);
                var alive = pinging.raw().upgrade(UPGRADE)) {
            settle(dead);
            settle(alive);
            for (var pings = 0; pings < 4; pings++) {
                ticking.advance(SECOND);
                assertEquals(PING, alive.readByte());
                assertEquals(0, alive.readByte());
                alive.frame(PONG, new byte[0]);
                settle(alive);
            }
            assertEquals(PING, dead.readByte());
            assertEquals(0, dead.readByte());
            assertEquals(1008, dead.closeCode());
            dead.frame(CLOSE, new byte[] {3, (byte) 0xf0});
            Await.until("the dead one is forgotten", () -> pinging.stats.webSockets() == 1);
        }
    }
}
