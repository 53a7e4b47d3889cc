package dev.llmworker.serving.connection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.MockGenerator;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.RawConnection;
import dev.llmworker.testing.RunningWorker;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// Clients that send slowly, or are not there any more, are cut; those that are only quiet are not.
class TimeoutsTest {
    private static final String UPGRADE = "/ws";
    private static final int TEXT_BEGINS = 0x01;
    private static final int GOES_ON = 0x00;
    private static final int PING = 0x89;
    private static final int PONG = 0x8a;

    private static RunningWorker worker;

    @BeforeAll
    static void start() throws Exception {
        worker = start(Map.of("PING_INTERVAL", "0"));
    }

    @AfterAll
    static void stop() {
        worker.close();
    }

    private static RunningWorker start(Map<String, String> more) throws Exception {
        var environment = new HashMap<>(Map.of("HEADER_TIMEOUT", "1", "BODY_TIMEOUT", "2", "IDLE_TIMEOUT", "1"));
        environment.putAll(more);
        return new RunningWorker(new MockGenerator(), environment);
    }

    /// Sends a byte now and then until the worker closes, which it must before the bytes are over.
    private static void trickle(RawConnection raw, String bytes) {
        assertThrows(IOException.class, () -> {
            for (var b : bytes.getBytes(StandardCharsets.ISO_8859_1)) {
                raw.send(new byte[] {b});
                Thread.sleep(200);
            }
        });
    }

    @Test
    void aHeaderThatComesByDribsIsCut() throws Exception {
        try (var raw = worker.raw()) {
            trickle(raw, "GET /ping HTTP/1.1\r\nHost: worker\r\nX-Slow: " + "x".repeat(100));
        }
    }

    @Test
    void aConnectionThatSaysNothingIsCut() throws Exception {
        try (var raw = worker.raw()) {
            assertEquals("", raw.rest());
        }
    }

    @Test
    void aConnectionThatIsIdleAfterARequestIsCut() throws Exception {
        try (var raw = worker.raw().send("GET /ping HTTP/1.1\r\nHost: worker\r\n\r\n")) {
            assertTrue(raw.rest().startsWith("HTTP/1.1 200 "));
        }
    }

    @Test
    void aBodyThatComesByDribsIsCut() throws Exception {
        try (var raw = worker.raw().send("POST /generate HTTP/1.1\r\nHost: worker\r\nContent-Length: 1000\r\n\r\n")) {
            trickle(raw, "{\"prompt\":\"" + "x".repeat(100));
        }
    }

    @Test
    void aMessageWhoseFragmentsComeByDribsIsCut() throws Exception {
        try (var raw = worker.raw().upgrade(UPGRADE)) {
            raw.frame(TEXT_BEGINS, "{".getBytes(StandardCharsets.UTF_8));
            for (var i = 0; i < 15; i++) {
                raw.frame(GOES_ON, new byte[0]);
                Thread.sleep(200);
            }
            assertEquals(1008, raw.closeCode());
        }
    }

    @Test
    void aFrameThatComesByDribsIsCut() throws Exception {
        try (var raw = worker.raw().upgrade(UPGRADE)) {
            raw.send(new byte[] {(byte) 0x81, (byte) 0xfe, 4, 0, 0, 0, 0, 0});
            for (var i = 0; i < 15; i++) {
                raw.send("x");
                Thread.sleep(200);
            }
            assertEquals(1008, raw.closeCode());
        }
    }

    @Test
    void aWebSocketThatIsQuietStaysOpen() throws Exception {
        try (var raw = worker.raw().upgrade(UPGRADE)) {
            Thread.sleep(4_000);
            raw.frame(PING, new byte[0]);
            assertEquals(PONG, raw.readByte());
        }
    }

    @Test
    void aPeerThatAnswersNoPingIsClosedAndOneThatDoesIsNot() throws Exception {
        try (var pinging = start(Map.of("PING_INTERVAL", "1", "PONG_TIMEOUT", "1"));
                var dead = pinging.raw().upgrade(UPGRADE);
                var alive = pinging.raw().upgrade(UPGRADE)) {
            var pings = 0;
            while (pings < 4) {
                assertEquals(PING, alive.readByte());
                assertEquals(0, alive.readByte());
                alive.frame(PONG, new byte[0]);
                pings++;
            }
            assertEquals(PING, dead.readByte());
            assertEquals(0, dead.readByte());
            assertEquals(1008, dead.closeCode());
            Await.until("the dead one is forgotten", () -> pinging.stats.webSockets() == 1);
        }
    }
}
