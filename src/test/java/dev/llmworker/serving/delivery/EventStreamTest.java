package dev.llmworker.serving.delivery;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.RawConnection;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.WorkerExtension;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// `"stream": true` over HTTP: `/generate`, and what streams share below `/v1`.
class EventStreamTest {
    private static final String GENERATE = "{\"prompt\":\"x\",\"stream\":true}";
    private static final String CHAT = "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"stream\":true}";

    private final ScriptedGenerator engine = new ScriptedGenerator();

    @RegisterExtension
    final WorkerExtension worker = WorkerExtension.of(engine);

    private static String body(String path) {
        return path.equals("/generate") ? GENERATE : CHAT;
    }

    private RawConnection post(String path) throws Exception {
        var body = body(path);
        return worker.raw()
                .send("POST " + path + " HTTP/1.1\r\nHost: worker\r\nContent-Length: " + body.length() + "\r\n\r\n"
                        + body);
    }

    @Test
    void framesAreThoseOfTheWebSocketAndComeOneByOne() throws Exception {
        // The head is there before the first token is.
        var response = Events.open(worker, "/generate", GENERATE);
        assertEquals("no-cache", response.headers().firstValue("Cache-Control").orElse(""));
        assertTrue(response.headers().firstValue("X-Request-Id").isPresent());
        var script = engine.next();
        var lines = response.body().iterator();
        script.emit("é\n\"");
        assertEquals("data: {\"token\":\"é\\n\\\"\",\"index\":0}", lines.next());
        assertEquals("", lines.next());
        script.emit("");
        assertEquals("data: {\"token\":\"\",\"index\":1}", lines.next());
        assertEquals("", lines.next());
        script.finish(FinishReason.STOP);
        assertEquals("data: {\"done\":true,\"total_tokens\":2}", lines.next());
        assertEquals("", lines.next());
        assertFalse(lines.hasNext());
        assertEquals(1, worker.stats.finished("stop"));
    }

    @Test
    void detailsComeOnlyToWhoAsks() throws Exception {
        var response = Events.open(worker, "/generate", GENERATE.replace("}", ",\"details\":true}"));
        engine.next().emit("a").emit("b").finish(FinishReason.LENGTH);
        var done = Events.json(Events.data(response).getLast());
        assertEquals(2, done.get("total_tokens").asInt());
        assertEquals("length", done.get("finish_reason").asText());
        assertEquals(
                "{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5,"
                        + "\"prompt_tokens_details\":{\"cached_tokens\":0}}",
                done.get("usage").toString());
        assertTrue(done.get("timings").get("total_ms").isNumber(), done.toString());

        var whole = worker.request("/generate");
        var answer = RunningWorker.HTTP.sendAsync(
                whole.POST(HttpRequest.BodyPublishers.ofString("{\"prompt\":\"x\",\"details\":true}"))
                        .build(),
                HttpResponse.BodyHandlers.ofString());
        engine.next().emit("a").finish(FinishReason.STOP);
        var body = Events.json(answer.join().body());
        assertEquals("a", body.get("generated_text").asText());
        assertEquals("stop", body.get("finish_reason").asText());
        assertEquals(4, body.get("usage").get("total_tokens").asInt());
        assertEquals(4, body.size());
    }

    @Test
    void aConnectionTakesTheNextRequestAfterAStream() throws Exception {
        try (var client = post("/generate")) {
            engine.next().emit("a").finish(FinishReason.STOP);
            var head = client.head();
            assertTrue(head.startsWith("HTTP/1.1 200 "), head);
            assertTrue(head.toLowerCase(Locale.ROOT).contains("transfer-encoding: chunked"), head);
            var rest = client.send("GET /ping HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n")
                    .rest();
            assertTrue(rest.contains("\"total_tokens\":1}\n\n\r\n0\r\n\r\nHTTP/1.1 200 "), rest);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"/generate", "/v1/chat/completions"})
    void aClientThatLeavesEndsItsGeneration(String path) throws Exception {
        for (var reset : new boolean[] {true, false}) {
            var client = post(path);
            var script = engine.next();
            script.endless();
            client.head();
            if (reset) {
                client.reset();
            } else {
                client.close();
            }
            script.awaitClosed();
        }
        Await.until("both are over", () -> worker.stats.finished("cancelled") == 2);
        assertEquals(0, worker.stats.runningGenerations());
    }

    @ParameterizedTest
    @ValueSource(strings = {"/generate", "/v1/chat/completions"})
    void aClientThatLeavesBeforeTheFirstTokenEndsItsGeneration(String path) throws Exception {
        var client = post(path);
        var script = engine.next();
        client.reset();
        script.awaitClosed();
    }

    @Test
    void aStalledReaderHoldsUpNobodyElseAndGetsAllWhenItReadsAgain() throws Exception {
        // Far more than the socket's buffers hold: only a part can be taken from the engine while nobody reads.
        var tokens = 4_000;
        var token = "x".repeat(1 << 14);
        var stalled = post("/generate");
        var flood = engine.next();
        for (var i = 0; i < tokens; i++) {
            flood.emit(token);
        }
        flood.finish(FinishReason.STOP);
        Await.until("the stalled client's answer is under way", () -> flood.read.get() > 16);
        var other = Events.open(worker, "/generate", GENERATE);
        var script = engine.next();
        for (var i = 0; i < 1000; i++) {
            script.emit("t" + i);
        }
        script.finish(FinishReason.STOP);
        assertEquals(1001, Events.data(other).size());
        assertEquals(200, worker.get("/ping").statusCode());
        assertTrue(flood.read.get() < tokens, "all was taken from the engine though nobody read");
        stalled.skip((long) tokens * token.length());
        Await.until("the stalled client's answer is over", () -> worker.stats.finished("stop") == 2);
        assertEquals(0, worker.stats.wastedTokens());
        stalled.close();
    }

    @Test
    void aStalledReaderThatLeavesEndsItsGeneration() throws Exception {
        var stalled = post("/generate");
        var flood = engine.next();
        var token = "x".repeat(1 << 14);
        for (var i = 0; i < 4_000; i++) {
            flood.emit(token);
        }
        Await.until("the stalled client's answer is under way", () -> flood.read.get() > 16);
        stalled.reset();
        flood.awaitClosed();
        Await.until("it is over", () -> worker.stats.runningGenerations() == 0);
    }

    @ParameterizedTest
    @ValueSource(strings = {"/generate", "/v1/chat/completions"})
    void whatIsRefusedHasAnAnswerOfItsOwnAndNoStream(String path) throws Exception {
        engine.refusal = new RefusedException(RefusedException.Reason.OVERLOADED, "queue_full", "8 requests wait");
        var answer = worker.post(path, body(path));
        assertEquals(503, answer.statusCode());
        assertTrue(answer.headers().firstValue("Retry-After").isPresent());
        assertEquals(
                "application/json", answer.headers().firstValue("Content-Type").orElse(""));
        assertTrue(answer.body().contains("8 requests wait"), answer.body());
    }

    @ParameterizedTest
    @ValueSource(strings = {"/generate", "/v1/chat/completions"})
    void anEngineThatFailsIsToldInTheStream(String path) throws Exception {
        var response = Events.open(worker, path, body(path));
        engine.next().emit("a").finish(FinishReason.ERROR);
        var last = Events.json(Events.data(response).getLast());
        assertTrue(last.has("error"), last.toString());
        var code =
                path.equals("/generate") ? last.get("code") : last.get("error").get("code");
        assertEquals("internal_error", code.asText());
    }

    @Test
    void noClientGetsPastTheStepsAfterTheBeanGenerate(@TempDir Path routes) throws Exception {
        for (var file : List.of("errors.camel.yaml", "examples/summarize.camel.yaml")) {
            var source = Path.of("routes").resolve(file);
            Files.copy(source, routes.resolve(source.getFileName()));
        }
        try (var custom = RunningWorker.with(engine, routes)) {
            var answer = RunningWorker.HTTP.sendAsync(
                    custom.request("/summarize")
                            .POST(HttpRequest.BodyPublishers.ofString("{\"text\":\"x\",\"stream\":true}"))
                            .build(),
                    HttpResponse.BodyHandlers.ofString());
            engine.next().emit("short").finish(FinishReason.STOP);
            assertEquals("{\"summary\":\"short\"}", answer.join().body());
        }
    }
}
