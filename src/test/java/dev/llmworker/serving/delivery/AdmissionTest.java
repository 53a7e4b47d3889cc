package dev.llmworker.serving.delivery;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.MockGenerator;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/// Requests that come when there is no room, and those that take too long.
class AdmissionTest {
    private static final String CHAT = "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}";

    @Test
    void whoIsRefusedForAFullQueueIsToldWhenToComeAgain() throws Exception {
        var engine = new ScriptedGenerator();
        engine.refusal = new RefusedException(RefusedException.Reason.OVERLOADED, "queue_full", "9 wait", 7);
        try (var worker = RunningWorker.with(engine);
                var socket = worker.socket("/ws")) {
            for (var path : new String[] {"/generate", "/v1/chat/completions"}) {
                for (var more : new String[] {"}", ",\"stream\":true}"}) {
                    var body = path.equals("/generate") ? "{\"prompt\":\"x\"}" : CHAT;
                    var answer = worker.post(path, body.substring(0, body.length() - 1) + more);
                    assertEquals(503, answer.statusCode(), path);
                    assertEquals("7", answer.headers().firstValue("Retry-After").orElse(""), path);
                    assertTrue(answer.body().contains("\"code\":\"queue_full\""), answer.body());
                }
            }
            assertEquals(
                    "{\"id\":1,\"error\":\"9 wait\",\"code\":\"queue_full\"}",
                    socket.send("{\"prompt\":\"x\",\"id\":1}").next());
            assertEquals(5, worker.stats.refused("overloaded"));
        }
    }

    @Test
    void theDeadlineEndsAnAnswerOfTheMockTooAndSaysSo() throws Exception {
        var nowNanos = new AtomicLong();
        try (var worker = RunningWorker.with(new MockGenerator(Duration.ofSeconds(1), nowNanos::get));
                var raw = worker.raw()) {
            var body = "{\"prompt\":\"x\",\"max_tokens\":1000000,\"stream\":true,\"details\":true}";
            raw.send("POST /generate HTTP/1.1\r\nHost: worker\r\nConnection: close\r\nContent-Length: " + body.length()
                    + "\r\n\r\n" + body);
            // It has begun. The buffers hold only a part of it, so it has not ended when its time is over.
            raw.skip(1_000);
            nowNanos.set(Duration.ofSeconds(1).toNanos());
            var answer = raw.rest();
            assertTrue(answer.contains("\"finish_reason\":\"timeout\""), answer.substring(answer.length() - 300));
        }
    }
}
