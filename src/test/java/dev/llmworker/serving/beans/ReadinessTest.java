package dev.llmworker.serving.beans;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Readiness;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.WorkerExtension;
import java.net.http.HttpResponse;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// What clients see of an engine that loads, is full, or fails.
class ReadinessTest {
    private static final ScriptedGenerator ENGINE = new ScriptedGenerator();

    @RegisterExtension
    static final WorkerExtension worker = WorkerExtension.of(ENGINE);

    @BeforeEach
    void ready() {
        ENGINE.readiness = new Readiness.Ready();
        ENGINE.refusal = null;
    }

    @Test
    void pingIs204WithoutABodyWhileTheModelLoads() throws Exception {
        ENGINE.readiness = new Readiness.Loading();
        var answer = worker.get("/ping");
        assertEquals(204, answer.statusCode());
        assertEquals("", answer.body());
        try (var raw = worker.raw().send("GET /ping HTTP/1.1\r\nHost: worker\r\n\r\n")) {
            assertFalse(raw.head().toLowerCase().contains("transfer-encoding"), "a 204 has no body to encode");
        }
    }

    @Test
    void pingIs503WhenTheEngineHasFailed() throws Exception {
        ENGINE.readiness = new Readiness.Failed("the GPU is gone");
        var answer = worker.get("/ping");
        assertEquals(503, answer.statusCode());
        assertEquals("{\"error\":\"the GPU is gone\",\"code\":\"engine_failed\"}", answer.body());
    }

    @Test
    void refusalsHaveTheStatusOfTheirReasonAndAreCounted() throws Exception {
        assertRefusal(RefusedException.Reason.INVALID, 400, "");
        assertRefusal(RefusedException.Reason.LOADING, 503, "5");
        assertRefusal(RefusedException.Reason.OVERLOADED, 503, "1");
        assertRefusal(RefusedException.Reason.FAILED, 503, "");
    }

    private static void assertRefusal(RefusedException.Reason reason, int status, String retryAfter) throws Exception {
        ENGINE.refusal = new RefusedException(reason, "some_code", "because of 7");
        var before = worker.stats.refused(reason.name().toLowerCase());
        var answer = worker.post("/generate", "{\"prompt\":\"x\"}");
        assertEquals(status, answer.statusCode());
        assertEquals("{\"error\":\"because of 7\",\"code\":\"some_code\"}", answer.body());
        assertEquals(retryAfter, answer.headers().firstValue("Retry-After").orElse(""));
        try (var socket = worker.socket("/ws")) {
            assertEquals(answer.body(), socket.send("{\"prompt\":\"x\"}").next());
            assertEquals(answer.body(), socket.send("{\"prompt\":\"x\"}").next());
        }
        assertEquals(before + 3, worker.stats.refused(reason.name().toLowerCase()));
    }

    @Test
    void anEngineThatFailsAmidAnAnswerIs500WithoutDetails() throws Exception {
        try (var socket = worker.socket("/ws")) {
            socket.send("{\"prompt\":\"x\"}");
            ENGINE.next().emit("a").finish(FinishReason.ERROR);
            assertEquals("{\"token\":\"a\",\"index\":0}", socket.next());
            assertTrue(socket.next().endsWith("\"code\":\"internal_error\"}"));
        }
        var answer = generateInBackground("{\"prompt\":\"x\"}");
        ENGINE.next().emit("a").finish(FinishReason.ERROR);
        assertEquals(500, answer.join().statusCode());
        assertFalse(answer.join().body().contains("Exception"));
    }

    @Test
    void anAnswerCutByItsDeadlineOrLengthIsStillAnAnswer() {
        for (var reason : new FinishReason[] {FinishReason.STOP, FinishReason.LENGTH, FinishReason.TIMEOUT}) {
            var answer = generateInBackground("{\"prompt\":\"x\"}");
            var finished = worker.stats.finished(reason.name().toLowerCase());
            nextScript().emit("so ").emit("far").finish(reason);
            assertEquals(200, answer.join().statusCode());
            assertEquals("{\"generated_text\":\"so far\"}", answer.join().body());
            assertEquals(finished + 1, worker.stats.finished(reason.name().toLowerCase()));
        }
    }

    private static ScriptedGenerator.Script nextScript() {
        try {
            return ENGINE.next();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static java.util.concurrent.CompletableFuture<HttpResponse<String>> generateInBackground(String body) {
        return RunningWorker.HTTP.sendAsync(
                worker.request("/generate")
                        .POST(java.net.http.HttpRequest.BodyPublishers.ofString(body))
                        .build(),
                HttpResponse.BodyHandlers.ofString());
    }
}
