package dev.llmworker.serving.beans;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.WorkerExtension;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/// Ending a generation by the id of its request.
@Timeout(180)
class CancelTest {
    private static final String KEY = "a-key-of-the-first-client";
    private static final String OTHER = "a-key-of-another-client";

    private final ScriptedGenerator engine = new ScriptedGenerator();

    @RegisterExtension
    final WorkerExtension worker = WorkerExtension.of(engine).with("API_KEYS", KEY + "," + OTHER);

    private CompletableFuture<HttpResponse<String>> ask(String path, String body, String id) {
        return RunningWorker.HTTP.sendAsync(
                worker.request(path)
                        .header("X-API-Key", KEY)
                        .header("X-Request-Id", id)
                        .POST(HttpRequest.BodyPublishers.ofString(body))
                        .build(),
                HttpResponse.BodyHandlers.ofString());
    }

    private HttpResponse<String> cancel(String id, String key) throws Exception {
        return RunningWorker.send(worker.request("/v1/generations/" + id + "/cancel")
                .header("X-API-Key", key)
                .POST(HttpRequest.BodyPublishers.noBody()));
    }

    private CompletableFuture<HttpResponse<String>> generate(String id) {
        return ask("/generate", "{\"prompt\":\"x\",\"details\":true}", id);
    }

    @Test
    void theKeysOwnGenerationsOfThatIdEnd() throws Exception {
        var first = generate("the-id");
        var running = engine.next();
        running.emit("so far");
        var second = generate("the-id");
        var twin = engine.next();
        var other = generate("another-id");
        var untouched = engine.next();

        var foreign = cancel("the-id", OTHER);
        assertEquals(404, foreign.statusCode());
        assertEquals("unknown_id", Events.json(foreign.body()).at("/error/code").asText());
        assertFalse(running.isClosed());
        assertEquals(404, cancel("the-i", KEY).statusCode());

        var done = cancel("the-id", KEY);
        assertEquals(202, done.statusCode());
        assertEquals(Events.json("{\"id\":\"the-id\",\"status\":\"cancelled\"}"), Events.json(done.body()));
        assertFalse(done.headers().firstValue("id").isPresent());
        twin.awaitClosed();
        var answer = Events.json(first.join().body());
        assertEquals("so far", answer.get("generated_text").asText());
        assertEquals("cancelled", answer.get("finish_reason").asText());
        assertEquals(200, second.join().statusCode());
        assertEquals(404, cancel("the-id", KEY).statusCode(), "it has ended");

        assertFalse(untouched.isClosed());
        untouched.finish(FinishReason.STOP);
        assertEquals(200, other.join().statusCode());
    }

    @Test
    void aStreamEnds() throws Exception {
        var answer = ask(
                "/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"stream\":true}", "s");
        engine.next().emit("a");
        assertEquals(202, cancel("s", KEY).statusCode());
        assertTrue(
                answer.join().body().endsWith("data: [DONE]\n\n"), answer.join().body());
    }

    @Test
    void aKeyIsNeededToCancel() throws Exception {
        assertEquals(401, worker.post("/v1/generations/x/cancel", "").statusCode());
    }
}
