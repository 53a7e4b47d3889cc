package dev.llmworker.stats;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import org.junit.jupiter.api.Test;

class WorkerMetersTest {
    @Test
    void metersShowWhatWasRecorded() {
        var stats = new WorkerStats();
        var meters = new SimpleMeterRegistry();
        WorkerMeters.bind(stats, meters);
        stats.recordSubmitted();
        stats.recordSubmitted();
        stats.recordSubmitted();
        stats.recordAccepted();
        stats.recordAccepted();
        stats.recordWithdrawn();
        stats.recordRefused("overloaded");
        stats.recordFinished("stop", 5, 7);
        stats.recordWasted(2);
        stats.recordWebSocketOpened();
        assertEquals(2, meters.get("worker.requests").functionCounter().count());
        assertEquals(1, meters.get("worker.generations.active").gauge().value());
        assertEquals(1, meters.get("worker.websocket.connections").gauge().value());
        assertEquals(2, meters.get("worker.tokens.wasted").functionCounter().count());
        assertEquals(
                1,
                meters.get("worker.requests.refused")
                        .tag("reason", "overloaded")
                        .functionCounter()
                        .count());
        assertEquals(
                1,
                meters.get("worker.generations.finished")
                        .tag("gen_ai.response.finish_reason", "stop")
                        .functionCounter()
                        .count());
        assertEquals(5, tokens(meters, "input"));
        assertEquals(7, tokens(meters, "output"));
    }

    private static double tokens(SimpleMeterRegistry meters, String type) {
        return meters.get("gen_ai.client.token.usage")
                .tag("gen_ai.token.type", type)
                .functionCounter()
                .count();
    }
}
