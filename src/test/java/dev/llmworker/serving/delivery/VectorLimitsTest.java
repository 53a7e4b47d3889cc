package dev.llmworker.serving.delivery;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.Task;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.VectorModel;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// What a key's limits in `API_KEYS_FILE` mean for requests for vectors.
@Timeout(120)
class VectorLimitsTest {
    private static final String ONE_REQUEST = "one-request-for-all-of-it";
    private static final String ONE_AT_A_TIME = "one-at-a-time-for-all-of-it";
    private static final String FEW_TOKENS = "few-tokens-for-all-of-it";

    @TempDir
    private Path folder;

    /// Who asks the model for vectors.
    private interface Asks {
        void ask(RunningWorker worker) throws Exception;
    }

    private void with(VectorModel model, Task task, Asks asks) throws Exception {
        var keys = folder.resolve("keys");
        Files.write(
                keys,
                List.of(
                        ONE_REQUEST + " requests_per_minute=1",
                        ONE_AT_A_TIME + " concurrent=1",
                        FEW_TOKENS + " tokens_per_minute=8"));
        var routes = RouteFolder.in(Files.createDirectory(folder.resolve("routes")))
                .route(
                        "mine",
                        "'platform-http:/mine'",
                        "unmarshal: {custom: {ref: strictJson}}",
                        "setBody: {simple: {expression: '${body[texts]}', resultType: java.util.List}}",
                        "to: 'llm:" + (task == Task.EMBED ? "embed" : "rerank?query=q") + "'")
                .path();
        var environment = Map.of("API_KEYS_FILE", keys.toString(), "ROUTES", routes.toString());
        try (var generator = model.start(task);
                var worker = new RunningWorker(generator, environment)) {
            asks.ask(worker);
        }
    }

    private static HttpRequest request(RunningWorker worker, Task task, String text, String key) {
        var body = task == Task.EMBED
                ? "{\"input\":\"" + text + "\"}"
                : "{\"query\":\"q\",\"documents\":[\"" + text + "\"]}";
        return request(worker, task == Task.EMBED ? "/v1/embeddings" : "/v1/rerank", body, key);
    }

    private static HttpRequest request(RunningWorker worker, String path, String body, String key) {
        return worker.request(path)
                .header("X-API-Key", key)
                .POST(BodyPublishers.ofString(body))
                .build();
    }

    private static HttpResponse<String> send(HttpRequest request) throws Exception {
        return RunningWorker.HTTP.send(request, BodyHandlers.ofString());
    }

    private static String header(HttpResponse<?> answer, String name) {
        return answer.headers().firstValue(name).orElse("");
    }

    private static void assertLimited(HttpResponse<String> answer, String message) throws Exception {
        assertEquals(429, answer.statusCode(), answer.body());
        assertTrue(
                Integer.parseInt(header(answer, "Retry-After")) > 0,
                answer.headers().toString());
        assertTrue(answer.body().contains(message), answer.body());
    }

    @ParameterizedTest
    @EnumSource(names = "GENERATE", mode = EnumSource.Mode.EXCLUDE)
    void aRequestBeyondTheLimitIs429(Task task) throws Exception {
        var message = "this API key has used up its requests_per_minute, which is 1";
        with(VectorModel.of(task), task, worker -> {
            var first = send(request(worker, task, "ab", ONE_REQUEST));
            assertEquals(200, first.statusCode(), first.body());
            assertEquals("0", header(first, "x-ratelimit-remaining-requests"));
            var second = send(request(worker, task, "ab", ONE_REQUEST));
            assertLimited(second, message);
            assertEquals(
                    "rate_limit_exceeded",
                    Events.json(second.body()).at("/error/code").asText());
            assertLimited(send(request(worker, "/mine", "{\"texts\":[\"ab\"]}", ONE_REQUEST)), message);
            // Nothing is encoded that the key may not have: it would be seen that the text is too long.
            assertLimited(send(request(worker, task, "ab".repeat(VectorModel.CONTEXT), ONE_REQUEST)), message);
        });
    }

    @ParameterizedTest
    @EnumSource(names = "GENERATE", mode = EnumSource.Mode.EXCLUDE)
    void oneAnswerAtATime(Task task) throws Exception {
        var model = new VectorModel(task, false, false, 0);
        with(model, task, worker -> {
            var first =
                    RunningWorker.HTTP.sendAsync(request(worker, task, "ab", ONE_AT_A_TIME), BodyHandlers.ofString());
            Await.until("it is accepted", () -> worker.stats.requests() == 1);
            assertLimited(send(request(worker, task, "ab", ONE_AT_A_TIME)), "its limit (concurrent) is 1");
            model.permits.release(1_000_000);
            assertEquals(200, first.join().statusCode(), first.join().body());
            Await.until("it is over", () -> worker.stats.runningGenerations() == 0);
            assertEquals(200, send(request(worker, task, "ab", ONE_AT_A_TIME)).statusCode());
        });
    }

    /// They are an estimate at first. A vector is no token.
    @Test
    void theTokensOfTextsCount() throws Exception {
        with(VectorModel.of(Task.EMBED), Task.EMBED, worker -> {
            var texts = "{\"input\":[\"" + "a".repeat(60) + "\",\"" + "b".repeat(40) + "\"]}";
            var first = send(request(worker, "/v1/embeddings", texts, FEW_TOKENS));
            assertEquals(200, first.statusCode(), first.body());
            assertEquals("0", header(first, "x-ratelimit-remaining-tokens"), "a first request may have all of it");
            Await.until("it is over", () -> worker.stats.runningGenerations() == 0);
            var second = send(request(worker, Task.EMBED, "abcd", FEW_TOKENS));
            assertLimited(
                    second,
                    "the request needs about 1 token, and 0 of this API key's tokens_per_minute, which is 8, are"
                            + " left");
            var seconds = Integer.parseInt(header(second, "Retry-After"));
            assertTrue(seconds > 600 && seconds <= 720, "93 tokens too many are 12 minutes: " + seconds);
        });
    }
}
