package dev.llmworker.serving.wire;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.LogLines;
import org.junit.jupiter.api.Test;

class RequestLogTest {
    private static final int FLOOD = 50_000;

    /// A WebSocket takes thousands of wrong frames a second. Each would be a line.
    @Test
    void aFloodOfRefusalsOnARouteHasFewLines() {
        try (var log = new LogLines("dev.llmworker.Requests")) {
            var beganNanos = System.nanoTime();
            for (var i = 0; i < FLOOD; i++) {
                RequestLog.refused("id", "flooded", JsonError.of(400, "invalid_json", "no JSON"));
            }
            var windows = 2 + (System.nanoTime() - beganNanos) / LineLimit.WINDOW.toNanos();
            var lines = log.with("refused id=id route=flooded").size();
            assertTrue(lines >= LineLimit.LINES && lines <= windows * LineLimit.LINES, lines + " lines");
            RequestLog.refused("other", "quiet", JsonError.of(400, "invalid_json", "no JSON"));
            assertEquals(1, log.with("route=quiet").size(), "each route has lines of its own");
        }
    }
}
