package dev.llmworker.serving.delivery;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.Worker;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.WorkerProcess;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
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
        try (var worker = WorkerProcess.start(Worker.class, Map.of("REQUEST_TIMEOUT", "1"));
                var raw = worker.raw()) {
            var body = "{\"prompt\":\"x\",\"max_tokens\":1000000,\"stream\":true,\"details\":true}";
            raw.send("POST /generate HTTP/1.1\r\nHost: worker\r\nConnection: close\r\nContent-Length: " + body.length()
                    + "\r\n\r\n" + body);
            // The answer does not fit between the two, and so it is not over when its time is.
            LockSupport.parkNanos(1_500_000_000);
            var answer = raw.rest();
            assertTrue(answer.contains("\"finish_reason\":\"timeout\""), answer.substring(answer.length() - 300));
        }
    }
}
