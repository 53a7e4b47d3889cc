package dev.llmworker.serving.responses;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.ScoredToken;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.WorkerExtension;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/// What responses take of the memory of all requests.
@Timeout(150)
class ResponseMemoryTest {
    private static final String RESPONSES = "/v1/responses";
    private static final long BUDGET_BYTES = 100_000_000;

    private final ScriptedGenerator engine = new ScriptedGenerator();

    @RegisterExtension
    final WorkerExtension worker = WorkerExtension.of(engine).with("MEMORY_BUDGET", "" + BUDGET_BYTES);

    private CompletableFuture<HttpResponse<String>> post(String body) {
        return RunningWorker.HTTP.sendAsync(
                worker.request(RESPONSES)
                        .POST(HttpRequest.BodyPublishers.ofString(body.replace('\'', '"')))
                        .build(),
                HttpResponse.BodyHandlers.ofString());
    }

    private JsonNode answered(String body) throws Exception {
        var answer = post(body);
        engine.next().finish(FinishReason.STOP);
        assertEquals(200, answer.join().statusCode(), answer.join().body());
        return Events.json(answer.join().body());
    }

    private long used() {
        return worker.port().memory().usedBytes();
    }

    /// A reference is some bytes, and its item may be as large as a request.
    @Test
    void itemsAreCountedAsOftenAsTheyAreReferredTo() throws Exception {
        var item = "{'role':'user','id':'mine','content':'" + "x".repeat(400_000) + "'}";
        var response = answered("{'input':[" + item + "]}");
        assertEquals("completed", response.get("status").asText());
        Await.until("the first request is done", () -> used() < BUDGET_BYTES / 10);
        var before = used();
        var references = String.join(",", Collections.nCopies(1000, "{'id':'mine'}"));
        var answer = post("{'input':[" + references + "]}").join();
        assertTrue(answer.statusCode() == 413 || answer.statusCode() == 503, answer.body());
        assertTrue(answer.body().contains("MEMORY_BUDGET"), answer.body());
        assertTrue(engine.hasNone());
        Await.until("all is given back", () -> used() <= before);
        // A few fit.
        answered("{'store':false,'input':[{'id':'mine'},{'id':'mine'}]}");
    }

    @Test
    void theConversationCountsWhileARequestHasIt() throws Exception {
        var first = answered("{'input':'" + "x".repeat(400_000) + "'}");
        var id = first.get("id").asText();
        var answer = post("{'store':false,'input':'y','previous_response_id':'" + id + "'}");
        var script = engine.next();
        delete(id);
        assertTrue(used() >= 800_000, used() + " bytes");
        script.finish(FinishReason.STOP);
        answer.join();
        Await.until("all is given back", () -> used() == 0);
    }

    @Test
    void scoresCountByTheirNumberAndSize() throws Exception {
        var answer = post("{'input':'x','store':false,'top_logprobs':20}");
        var script = engine.next();
        var score = new ScoredToken("é".repeat(50), "é".repeat(50).getBytes(StandardCharsets.UTF_8), -1);
        var count = 200;
        for (var i = 0; i < count; i++) {
            script.emit("x", Collections.nCopies(21, score));
        }
        // As JSON, each has its text, and up to five characters for each of its 100 bytes.
        Await.until("they count", () -> used() > count * 21 * 550L);
        script.finish(FinishReason.STOP);
        assertEquals(200, answer.join().statusCode());
    }

    /// The last events each have the whole text. What a client does not read stays in memory.
    @Test
    void anAnswerCountsUntilItsLastEventIsSent() throws Exception {
        var characters = 3_000_000;
        var finished = worker.stats.finished("stop");
        var stream = RunningWorker.HTTP.send(
                worker.request(RESPONSES)
                        .POST(HttpRequest.BodyPublishers.ofString("{\"input\":\"x\",\"store\":false,\"stream\":true}"))
                        .build(),
                HttpResponse.BodyHandlers.ofInputStream());
        try (var body = stream.body()) {
            var script = engine.next();
            script.emit("x".repeat(characters)).finish(FinishReason.STOP);
            for (var read = 0; read < characters; ) {
                read += body.readNBytes(1 << 16).length;
            }
            Await.until("the generation has ended", () -> worker.stats.finished("stop") > finished);
            assertTrue(used() > 10L * characters, used() + " bytes");
        }
        Await.until("all is given back", () -> used() == 0);
    }

    @Test
    void anAnswerThatDoesNotFitIsEnded() throws Exception {
        var answer = post("{'input':'x','stream':true}");
        var script = engine.next();
        for (var i = 0; i < 20; i++) {
            script.emit("x".repeat(1_000_000));
        }
        script.awaitClosed();
        assertTrue(answer.join().body().contains("response.failed"));
        Await.until("all is given back", () -> used() == 0);
    }

    private String named(String text) throws Exception {
        return answered("{'input':[{'role':'user','id':'mine','content':'" + text + "'}]}")
                .get("id")
                .asText();
    }

    private void delete(String id) throws Exception {
        RunningWorker.send(worker.request(RESPONSES + "/" + id).DELETE());
    }

    /// Of several with one id, the newest is meant.
    @Test
    void itemsAreForgottenWithTheirResponses() throws Exception {
        var first = named("one");
        var second = named("two");
        var refers = "{'store':false,'input':[{'id':'mine'}]}";
        assertEquals("two", prompt(refers));
        delete(second);
        assertEquals("one", prompt(refers));
        delete(first);
        assertEquals(400, post(refers).join().statusCode());
    }

    private String prompt(String body) throws Exception {
        var answer = post(body);
        var script = engine.next();
        script.finish(FinishReason.STOP);
        assertEquals(200, answer.join().statusCode());
        return script.prompt();
    }
}
