package dev.llmworker.serving.delivery;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.generation.Share;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.Metrics;
import dev.llmworker.testing.RemoteWorker;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.ScriptedServer;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// What a key's limits in `API_KEYS_FILE` mean for its requests, on each route that generates. Limits of a
/// minute are so low that no time that a test takes changes what they let in.
@Timeout(180)
class KeyLimitsOverHttpTest {
    private static final String CHAT = "{'messages':[{'role':'user','content':'x'}],'max_tokens':4";
    private static final String PROMPT = "{'prompt':'x','max_tokens':4";

    private static final String RESPONSE = "{'input':'x','max_output_tokens':4";

    private static final List<String> ENDS = List.of("}", ",'stream':true}");

    /// A path and a body without its last brace.
    private static final Map<String, String> ROUTES = new LinkedHashMap<>(Map.of(
            "/generate", PROMPT,
            "/v1/completions", PROMPT,
            "/v1/chat/completions", CHAT,
            "/v1/messages", CHAT,
            "/v1/responses", RESPONSE,
            "/mine", PROMPT));

    @TempDir
    private Path folder;

    private final ScriptedGenerator engine = new ScriptedGenerator();
    private RunningWorker worker;

    @BeforeEach
    void start() throws Exception {
        var keys = new ArrayList<String>();
        keys.add("one-request-for-all-of-it requests_per_minute=1");
        keys.add("few-tokens-for-all-of-it tokens_per_minute=8");
        keys.add("one-at-a-time-for-all-of-it concurrent=1 priority=7");
        keys.add("a-key-without-any-limits");
        for (var path : ROUTES.keySet()) {
            for (var more : ENDS) {
                keys.add(key(path, more) + " requests_per_minute=1 tokens_per_minute=1000");
            }
        }
        Files.write(folder.resolve("keys"), keys);
        var routes = RouteFolder.in(Files.createDirectory(folder.resolve("routes")))
                .route("mine", "'platform-http:/mine'", "setBody: {constant: hello}", "to: 'llm:generate'")
                .path();
        worker = new RunningWorker(
                engine, Map.of("API_KEYS_FILE", folder.resolve("keys").toString(), "ROUTES", routes.toString()));
    }

    @AfterEach
    void stop() {
        worker.close();
    }

    /// The key of one route alone.
    private static String key(String path, String more) {
        return "key-of" + path + (more.contains("stream") ? "-as-a-stream" : "-as-a-whole");
    }

    private CompletableFuture<HttpResponse<String>> post(String path, String body, String key) {
        return RunningWorker.HTTP.sendAsync(
                worker.request(path)
                        .header("X-API-Key", key)
                        .POST(BodyPublishers.ofString(body.replace('\'', '"')))
                        .build(),
                BodyHandlers.ofString());
    }

    private HttpResponse<String> served(String path, String body, String key) throws Exception {
        var answer = post(path, body, key);
        engine.next().emit("a").finish(FinishReason.STOP);
        assertEquals(200, answer.join().statusCode(), answer.join().body());
        return answer.join();
    }

    private static String header(HttpResponse<?> answer, String name) {
        return answer.headers().firstValue(name).orElse("");
    }

    @Test
    void aRequestBeyondTheLimitIs429InTheFormOfItsPath() throws Exception {
        var first = served("/generate", PROMPT + "}", "one-request-for-all-of-it");
        assertEquals("1", header(first, "x-ratelimit-limit-requests"));
        assertEquals("0", header(first, "x-ratelimit-remaining-requests"));
        assertEquals("1m0s", header(first, "x-ratelimit-reset-requests"));
        assertEquals("", header(first, "x-ratelimit-limit-tokens"));
        for (var route : ROUTES.entrySet()) {
            for (var more : ENDS) {
                var refused = post(route.getKey(), route.getValue() + more, "one-request-for-all-of-it")
                        .join();
                var where = route.getKey() + more + refused.body();
                assertEquals(429, refused.statusCode(), where);
                var seconds = Integer.parseInt(header(refused, "Retry-After"));
                assertTrue(seconds > 0 && seconds <= 60, where);
                assertEquals("0", header(refused, "x-ratelimit-remaining-requests"), where);
                var message =
                        "this API key has used up its requests_per_minute, which is 1; try again in " + seconds + " s";
                assertEquals(error(route.getKey(), message), Events.json(refused.body()), where);
            }
        }
        assertTrue(engine.hasNone());
    }

    private static JsonNode error(String path, String message) throws Exception {
        var form = path.equals("/v1/messages")
                ? "{'type':'error','error':{'type':'rate_limit_error','message':'%s'}}"
                : path.startsWith("/v1")
                        ? "{'error':{'message':'%s','type':'requests','param':null,'code':'rate_limit_exceeded'}}"
                        : "{'error':'%s','code':'requests_per_minute_used_up'}";
        return Events.json(form.formatted(message).replace('\'', '"'));
    }

    @Test
    void aPromptOfAWebSocketBeyondTheLimitGetsAnErrorAndTheConnectionStaysOpen() throws Exception {
        try (var socket = worker.socket("/ws?token=one-request-for-all-of-it")) {
            socket.send(PROMPT.replace('\'', '"') + "}");
            engine.next().emit("a").finish(FinishReason.STOP);
            assertEquals("{\"token\":\"a\",\"index\":0}", socket.next());
            assertEquals("{\"done\":true,\"total_tokens\":1}", socket.next());
            for (var id : List.of("", ",\"id\":3")) {
                var error = socket.send(PROMPT.replace('\'', '"') + id + "}").next();
                assertTrue(
                        error.matches(
                                "\\{(\"id\":3,)?\"error\":\"this API key has used up its requests_per_minute, which is"
                                        + " 1; try again in \\d+ s\",\"code\":\"requests_per_minute_used_up\"}"),
                        error);
            }
        }
    }

    @Test
    void aResponseOfAWebSocketBeyondTheLimitIsAnError() throws Exception {
        try (var socket = worker.socket("/v1/responses?token=one-request-for-all-of-it")) {
            var create = "{\"type\":\"response.create\",\"input\":\"x\"}";
            socket.send(create);
            engine.next().emit("a").finish(FinishReason.STOP);
            var event = Events.json(socket.next());
            while (!event.get("type").asText().equals("response.completed")) {
                event = Events.json(socket.next());
            }
            for (var i = 0; i < 2; i++) {
                var error = Events.json(socket.send(create).next());
                assertEquals(429, error.get("status").asInt(), error.toString());
                assertEquals("rate_limit_exceeded", error.at("/error/code").asText(), error.toString());
            }
        }
        assertTrue(engine.hasNone());
    }

    /// Each of them takes the place of the only request.
    @Test
    void eachRouteThatGeneratesCounts() throws Exception {
        for (var route : ROUTES.entrySet()) {
            for (var more : ENDS) {
                var key = key(route.getKey(), more);
                var first = served(route.getKey(), route.getValue() + more, key);
                assertEquals("0", header(first, "x-ratelimit-remaining-requests"), key);
                assertEquals("1000", header(first, "x-ratelimit-limit-tokens"), key);
                assertEquals(429, post("/generate", PROMPT + "}", key).join().statusCode(), key);
            }
        }
    }

    @Test
    void tokensOfThePromptAndTheAnswerCount() throws Exception {
        var key = "few-tokens-for-all-of-it";
        var answer = post("/v1/chat/completions", CHAT + "}", key);
        // The engine says that the prompt has 3.
        var script = engine.next();
        for (var token = 0; token < 60; token++) {
            script.emit("a");
        }
        script.finish(FinishReason.STOP);
        assertEquals("3", header(answer.join(), "x-ratelimit-remaining-tokens"), "1 of the prompt and 4 are expected");
        var refused = post("/v1/chat/completions", CHAT + "}", key).join();
        assertEquals(429, refused.statusCode());
        assertEquals("tokens", Events.json(refused.body()).at("/error/type").asText());
        assertEquals("0", header(refused, "x-ratelimit-remaining-tokens"));
        assertTrue(
                refused.body()
                        .contains(
                                "the request needs about 5 tokens, and 0 of this API key's tokens_per_minute, which is"
                                        + " 8, are left; try again in "),
                refused.body());
        assertTrue(Integer.parseInt(header(refused, "Retry-After")) > 300, "63 were used");
    }

    @Test
    void oneAnswerAtATimeUntilItEndsOrItsClientLeaves() throws Exception {
        var key = "one-at-a-time-for-all-of-it";
        var first = post("/generate", PROMPT + "}", key);
        var running = engine.next();
        var refused = post("/v1/messages", CHAT + "}", key).join();
        assertEquals(429, refused.statusCode());
        assertEquals("1", header(refused, "Retry-After"));
        assertTrue(refused.body().contains("its limit (concurrent) is 1"), refused.body());
        running.emit("a").finish(FinishReason.STOP);
        assertEquals(200, first.join().statusCode());
        var leaving = accepted("/generate", PROMPT + ",'stream':true}", key);
        var left = engine.next();
        leaving.cancel(true);
        left.awaitClosed();
        accepted("/generate", PROMPT + "}", key);
        assertEquals(7, engine.next().request.share().weight());
    }

    /// Asks until it is let in: a place is free soon after an answer has ended.
    private CompletableFuture<HttpResponse<String>> accepted(String path, String body, String key) {
        var last = new AtomicReference<CompletableFuture<HttpResponse<String>>>();
        Await.until("a place is free", () -> {
            var next = post(path, body, key);
            last.set(next);
            Await.until("it is decided", () -> next.isDone() || !engine.hasNone());
            return !engine.hasNone();
        });
        return Objects.requireNonNull(last.get());
    }

    /// Nothing was generated, so nothing is used up.
    @Test
    void whatTheEngineRefusesIsNotCounted() throws Exception {
        for (var refusal : List.of(
                new RefusedException(RefusedException.Reason.OVERLOADED, "queue_full", "full"),
                new RefusedException(RefusedException.Reason.INVALID, "invalid_request", "wrong"))) {
            engine.refusal = refusal;
            assertFalse(List.of(200, 429)
                    .contains(post("/generate", PROMPT + "}", "one-request-for-all-of-it")
                            .join()
                            .statusCode()));
        }
        engine.refusal = null;
        served("/generate", PROMPT + "}", "one-request-for-all-of-it");
    }

    @Test
    void theShareOfARequestIsItsKeys() throws Exception {
        var shares = new LinkedHashMap<String, Share>();
        for (var key : List.of("one-at-a-time-for-all-of-it", "a-key-without-any-limits")) {
            var answer = post("/v1/chat/completions", CHAT + "}", key);
            var script = engine.next();
            shares.put(key, script.request.share());
            script.emit("a").finish(FinishReason.STOP);
            answer.join();
        }
        assertEquals(List.of(7, 1), shares.values().stream().map(Share::weight).toList());
        assertEquals(2, shares.values().stream().map(Share::owner).distinct().count());
    }

    /// As without keys: an old client sees nothing new.
    @Test
    void aKeyWithoutLimitsHasNoHeadersOfThem() throws Exception {
        for (var i = 0; i < 20; i++) {
            var answer = served("/v1/chat/completions", CHAT + "}", "a-key-without-any-limits");
            assertTrue(
                    answer.headers().map().keySet().stream().noneMatch(name -> name.startsWith("x-ratelimit")),
                    answer.headers().toString());
        }
    }

    @Test
    void whatAKeyIsRefusedIsInTheMetricsByTheLimit() throws Exception {
        served("/generate", PROMPT + "}", "one-request-for-all-of-it");
        for (var i = 0; i < 3; i++) {
            post("/generate", PROMPT + "}", "one-request-for-all-of-it").join();
        }
        var seen = RunningWorker.send(worker.request("/metrics").header("X-API-Key", "one-request-for-all-of-it"))
                .body();
        var metrics = Metrics.parse(seen);
        assertEquals(3, metrics.value("llmworker_generations_refused_total{reason=\"limited\"}"));
        assertEquals(
                3,
                metrics.sum("llmworker_key_generations_refused_total", "reason=\"requests_per_minute_used_up\""),
                seen);
        var others = RunningWorker.send(worker.request("/metrics").header("X-API-Key", "a-key-without-any-limits"))
                .body();
        assertFalse(others.contains("llmworker_key_generations_refused_total{"), "a client sees its own only");
    }

    /// The other server says how many tokens there were.
    @Test
    void requestsThatAreRelayedCountAsWell() throws Exception {
        Files.writeString(folder.resolve("more-keys"), "a-key-whose-requests-are-relayed tokens_per_minute=100");
        var environment = Map.of("API_KEYS_FILE", folder.resolve("more-keys").toString());
        try (var server = new ScriptedServer();
                var remote = new RemoteWorker(environment, server)) {
            remote.awaitReady();
            server.answers((_, wire) -> {
                wire.stream().delta("a");
                wire.end("stop", 400, 600);
            });
            var request = remote.worker
                    .request("/v1/chat/completions")
                    .header("X-API-Key", "a-key-whose-requests-are-relayed")
                    .POST(BodyPublishers.ofString(CHAT.replace('\'', '"') + "}"));
            var first = RunningWorker.send(request);
            assertEquals(200, first.statusCode(), first.body());
            assertEquals("95", header(first, "x-ratelimit-remaining-tokens"));
            Await.until("all is counted", () -> remote.worker.stats.runningGenerations() == 0);
            var second = RunningWorker.send(request);
            assertEquals(429, second.statusCode());
            assertTrue(Integer.parseInt(header(second, "Retry-After")) > 300, "1000 were used");
        }
    }
}
