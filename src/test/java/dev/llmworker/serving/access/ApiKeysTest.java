package dev.llmworker.serving.access;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.MockGenerator;
import dev.llmworker.settings.SettingsException;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.Metrics;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.TestSettings;
import dev.llmworker.testing.WorkerExtension;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/// A worker that wants keys.
class ApiKeysTest {
    private static final String KEY = "a-key-of-the-first-client";
    private static final String OTHER = "a-key-of-another-client";
    // The first eight digits that sha256sum gives for each.
    private static final String LABEL = "077a1af4";
    private static final String OTHER_LABEL = "97eb1cbf";
    private static final String GENERATE = "{\"prompt\":\"x\",\"max_tokens\":4}";

    @TempDir
    private static Path folder;

    @RegisterExtension
    static final WorkerExtension worker =
            WorkerExtension.mock().with("API_KEYS", KEY + ", " + OTHER).with("ROUTES", ApiKeysTest::routes);

    private static String routes() throws Exception {
        return RouteFolder.in(folder)
                .route(
                        "headers",
                        "platform-http:/headers",
                        "setBody: {simple: \"seen: ${headers}\"}",
                        "removeHeaders: {pattern: \"*\"}")
                .path()
                .toString();
    }

    private static int status(String path, String... headers) throws Exception {
        var request = worker.request(path);
        for (var i = 0; i < headers.length; i += 2) {
            request.header(headers[i], headers[i + 1]);
        }
        return RunningWorker.send(request).statusCode();
    }

    private static HttpResponse<String> post(String path, String body, String key) throws Exception {
        return RunningWorker.send(
                worker.request(path).header("X-API-Key", key).POST(HttpRequest.BodyPublishers.ofString(body)));
    }

    private static String upgrade(String path, String headers) throws Exception {
        try (var raw = worker.raw()) {
            raw.send("GET " + path + " HTTP/1.1\r\nHost: worker\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + headers
                    + "\r\n");
            return raw.head().substring("HTTP/1.1 ".length(), "HTTP/1.1 ".length() + 3);
        }
    }

    @Test
    void onlyPingAndThePageAreOpen() throws Exception {
        for (var path : new String[] {"/stats", "/v1/models", "/metrics", "/nope", "/generate", "/ws", "/headers"}) {
            assertEquals(401, status(path), path);
        }
        assertEquals(401, worker.post("/generate", GENERATE).statusCode());
        assertEquals(200, status("/ping"));
        assertEquals(200, status("/ping?a=b"));
        assertNotEquals(401, status("/"));
    }

    @Test
    void aRefusalSaysWhatIsWrongAndHowToMendIt() throws Exception {
        var missing = worker.get("/stats");
        assertEquals(
                "{\"error\":\"the API key is missing; send a key as X-API-Key or as Authorization: Bearer\","
                        + "\"code\":\"missing_api_key\"}",
                missing.body());
        assertEquals("Bearer", missing.headers().firstValue("WWW-Authenticate").orElse(""));
        assertTrue(missing.headers().firstValue("X-Request-Id").isPresent());
        var wrong = post("/v1/chat/completions", "{}", "not-a-key");
        assertEquals(401, wrong.statusCode());
        assertEquals(
                "{\"error\":{\"message\":\"the API key is wrong; send a key as X-API-Key or as Authorization: Bearer\","
                        + "\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"invalid_api_key\"}}",
                wrong.body());
    }

    @Test
    void aKeyComesInAnyOfItsHeadersAndOneGoodKeyWillDo() throws Exception {
        assertEquals(200, status("/stats", "X-API-Key", KEY));
        assertEquals(200, status("/stats", "x-api-key", OTHER));
        assertEquals(200, status("/stats", "Authorization", "Bearer " + KEY));
        assertEquals(200, status("/stats", "Authorization", "bearer  " + KEY));
        assertEquals(200, status("/stats", "Authorization", "Bearer of-a-proxy", "X-API-Key", KEY));
        for (var wrong :
                new String[] {KEY + "x", KEY.substring(1), KEY.toUpperCase(Locale.ROOT), "", KEY + "," + OTHER}) {
            assertEquals(401, status("/stats", "X-API-Key", wrong), wrong);
            assertEquals(401, status("/stats", "Authorization", "Bearer " + wrong), wrong);
        }
        assertEquals(401, status("/stats", "Authorization", "Basic " + KEY));
    }

    @Test
    void aKeyInTheQueryIsForHandshakesOnly() throws Exception {
        assertEquals(401, status("/stats?token=" + KEY));
        assertEquals("101", upgrade("/ws?token=" + KEY, ""));
        assertEquals("101", upgrade("/ws?a=b&t%6fken=a%2dkey-of-the-first-client", ""));
        assertEquals("101", upgrade("/ws?token=of-a-proxy", "X-API-Key: " + KEY + "\r\n"));
        assertEquals("101", upgrade("/ws", "Authorization: Bearer " + KEY + "\r\n"));
        assertEquals("401", upgrade("/ws", ""));
        assertEquals("401", upgrade("/ws?token=", ""));
        assertEquals("401", upgrade("/ws?token=wrong", ""));
        assertEquals("401", upgrade("/ws?Token=" + KEY, ""));
    }

    @Test
    void noOtherSpellingOfAPathNeedsNoKey() throws Exception {
        for (var path : new String[] {
            "//stats", "/stats/", "/STATS", "/%73tats", "/stats;a=b", "/ping/../stats", "/ping/..%2fstats", "/./stats",
            "/ping/%2e%2e/stats", "/ping;/../stats", "/ping/", "//ping", "/%70ing", "/PING", "/ping;a", "/ping%00",
            "http://worker/stats", "http://worker//stats", "/..", "/;/stats", "//"
        }) {
            for (var method : new String[] {"GET", "POST", "HEAD"}) {
                try (var raw = worker.raw()
                        .send(method + " " + path + " HTTP/1.1\r\nHost: worker\r\nContent-Length: 0\r\n"
                                + "Connection: close\r\n\r\n")) {
                    var head = raw.head();
                    assertTrue(head.startsWith("HTTP/1.1 401 ") || head.startsWith("HTTP/1.1 400 "), path + head);
                }
            }
        }
    }

    @Test
    void anUpgradeOfAnOpenPathWantsAKey() throws Exception {
        assertEquals("401", upgrade("/ping", ""));
        assertEquals("401", upgrade("/", ""));
    }

    private static String head(String path, String headers) throws Exception {
        try (var raw = worker.raw()
                .send("GET " + path + " HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n" + headers + "\r\n")) {
            return raw.rest();
        }
    }

    @Test
    void noRouteSeesTheKeyInWhateverSpelling() throws Exception {
        for (var headers : new String[] {
            "",
            "Authorization: Bearer " + KEY,
            "Authorization: Bearer\t" + KEY,
            "authorization: " + KEY,
            "Authorization: Token " + KEY,
            "Authorization: Basic " + KEY,
            "Authorization: Bearer x-other"
        }) {
            for (var path : new String[] {
                "/headers",
                "/headers?token=" + KEY,
                "/headers?a=b&t%6Fken=" + KEY + "&c=d",
                "/headers?a;token=" + KEY,
                "/headers?TOKEN=" + KEY + "&token=" + KEY,
                "/headers?token=" + KEY + "#token=" + KEY,
                "/headers?a=b#?token=" + KEY,
                "http://worker/headers?token=" + KEY,
                "/headers?a=b?token=c&token=" + KEY
            }) {
                var seen = head(path, "X-API-Key: " + KEY + "\r\n" + (headers.isEmpty() ? "" : headers + "\r\n"));
                assertTrue(seen.startsWith("HTTP/1.1 200 "), path + headers + seen);
                assertTrue(seen.contains("CamelHttpPath"), seen);
                assertFalse(seen.contains("Bearer") || seen.contains(KEY), path + headers + seen);
            }
        }
        var kept = head("/headers?a=b&token=" + KEY + "&c=d%20e", "X-API-Key: " + KEY + "\r\n");
        assertTrue(kept.contains("CamelHttpQuery=a=b&c=d%20e"), kept);
    }

    @Test
    void aKeyThatComesTwiceIsABadRequest() throws Exception {
        var good = "Authorization: Bearer " + KEY + "\r\n";
        for (var twice : new String[] {
            good + good,
            good + "authorization: Basic eDp5\r\n",
            "Authorization: Basic eDp5\r\n" + good,
            "X-API-Key: " + KEY + "\r\nx-api-key: " + KEY + "\r\n",
            "X-API-Key: b\r\n".repeat(1000)
        }) {
            assertTrue(head("/headers", twice).startsWith("HTTP/1.1 400 "), twice);
            assertTrue(head("/ping", twice).startsWith("HTTP/1.1 400 "), twice);
        }
    }

    @Test
    void aTokenOpensWebSocketsOnly() throws Exception {
        for (var path : new String[] {"/stats", "/headers", "/metrics", "/ping"}) {
            assertEquals("401", upgrade(path + "?token=" + KEY, ""), path);
            assertEquals("200", upgrade(path + "?token=" + KEY, "X-API-Key: " + KEY + "\r\n"), path);
        }
        try (var raw = worker.raw()
                .send("POST /headers?token=" + KEY + " HTTP/1.1\r\nHost: worker\r\nUpgrade: websocket\r\n"
                        + "Connection: Upgrade\r\nContent-Length: 0\r\n\r\n")) {
            assertTrue(raw.head().startsWith("HTTP/1.1 401 "));
        }
    }

    @Test
    void aClientSeesItsOwnUsageOnly() throws Exception {
        assertEquals(200, post("/generate", GENERATE, KEY).statusCode());
        assertEquals(200, post("/generate", GENERATE, OTHER).statusCode());
        var seen = RunningWorker.send(worker.request("/metrics").header("X-API-Key", KEY))
                .body();
        assertTrue(seen.contains(LABEL) && !seen.contains(OTHER_LABEL), seen);
    }

    @Test
    void keysForMetricsReadThemAloneAndDoNothingElse() throws Exception {
        var environment = Map.of("API_KEYS", KEY, "METRICS_KEYS", OTHER);
        try (var kept = new RunningWorker(new MockGenerator(), environment)) {
            assertEquals(
                    200,
                    RunningWorker.send(kept.request("/generate")
                                    .header("X-API-Key", KEY)
                                    .POST(HttpRequest.BodyPublishers.ofString(GENERATE)))
                            .statusCode());
            var seen = RunningWorker.send(kept.request("/metrics").header("Authorization", "Bearer " + OTHER));
            assertEquals(200, seen.statusCode());
            assertTrue(seen.body().contains(LABEL), "all keys are shown");
            for (var path : new String[] {"/metrics", "//metrics", "/metrics/", "/%6detrics", "/x/../metrics"}) {
                var refused = RunningWorker.send(kept.request(path).header("X-API-Key", KEY));
                assertTrue(refused.statusCode() == 401 || refused.statusCode() == 404, path);
                assertEquals(401, kept.get(path).statusCode(), path);
            }
            for (var path : new String[] {"/stats", "/v1/models", "/metricsx", "/generate"}) {
                assertEquals(
                        401,
                        RunningWorker.send(kept.request(path).header("X-API-Key", OTHER))
                                .statusCode());
            }
        }
    }

    @Test
    void keysForMetricsProtectThemWhereAllElseIsOpen() throws Exception {
        try (var open = new RunningWorker(new MockGenerator(), Map.of("METRICS_KEYS", OTHER))) {
            assertEquals(200, open.get("/stats").statusCode());
            assertEquals(401, open.get("/metrics").statusCode());
            assertEquals(401, open.get("//metrics").statusCode());
            assertEquals(
                    200,
                    RunningWorker.send(open.request("/metrics").header("X-API-Key", OTHER))
                            .statusCode());
        }
    }

    /// Otherwise one client could find out by the time of its answers what another one asks.
    @Test
    void clientsWithDifferentKeysHaveDifferentCacheSalts() throws Exception {
        var generator = new ScriptedGenerator();
        var salts = new ArrayList<String>();
        try (var scripted = new RunningWorker(generator, Map.of("API_KEYS", KEY + "," + OTHER))) {
            for (var key : new String[] {KEY, KEY, OTHER}) {
                for (var path : new String[] {"/ws", "/generate", "/v1/completions"}) {
                    salts.add(salt(scripted, generator, path, key));
                }
            }
        }
        assertEquals(2, Set.copyOf(salts).size(), salts.toString());
        assertEquals(1, Set.copyOf(salts.subList(0, 6)).size(), salts.toString());
        assertFalse(salts.contains(""));
    }

    private static String salt(RunningWorker worker, ScriptedGenerator generator, String path, String key)
            throws Exception {
        if (path.equals("/ws")) {
            try (var socket = worker.socket("/ws?token=" + key)) {
                socket.send(GENERATE);
                return generator.next().request.cacheSalt();
            }
        }
        var answer = RunningWorker.HTTP.sendAsync(
                worker.request(path)
                        .header("X-API-Key", key)
                        .POST(HttpRequest.BodyPublishers.ofString(GENERATE))
                        .build(),
                HttpResponse.BodyHandlers.discarding());
        var salt = generator.next().request.cacheSalt();
        answer.cancel(true);
        return salt;
    }

    @Test
    void requestsAndTokensAreCountedByKeyUnderAShortHashOfIt() throws Exception {
        var keys = worker.stats.keys();
        var requests = keys.requests(LABEL);
        var tokens = keys.generatedTokens(LABEL);
        var others = keys.requests(OTHER_LABEL);
        assertEquals(200, post("/generate", GENERATE, KEY).statusCode());
        assertEquals(
                200,
                post("/generate", GENERATE.replace("}", ",\"stream\":true}"), KEY)
                        .statusCode());
        var chat = "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"max_tokens\":4,\"stream\":";
        assertEquals(200, post("/v1/chat/completions", chat + "false}", KEY).statusCode());
        assertEquals(200, post("/v1/chat/completions", chat + "true}", KEY).statusCode());
        assertEquals(200, post("/v1/completions", GENERATE, KEY).statusCode());
        try (var socket = worker.socket("/ws?token=" + KEY)) {
            socket.send(GENERATE).answer();
        }
        assertEquals(200, post("/generate", GENERATE, OTHER).statusCode());
        Await.until("all are counted", () -> keys.generatedTokens(LABEL) == tokens + 24);
        assertEquals(requests + 6, keys.requests(LABEL));
        assertEquals(others + 1, keys.requests(OTHER_LABEL));
        var metrics = RunningWorker.send(worker.request("/metrics").header("X-API-Key", KEY));
        assertEquals(
                keys.requests(LABEL),
                Metrics.parse(metrics.body()).value("llmworker_key_generations_total{key=\"" + LABEL + "\"}"));
        assertFalse(metrics.body().contains(KEY), "the key itself is not shown");
    }

    @Test
    void wrongSettingsAreToldWithoutTheKey() {
        var wrong = Map.of(
                "my secret",
                "has a blank at character 3; a key is ASCII without blanks and commas",
                "k\u200B",
                "has U+200B at character 2; a key is ASCII without blanks and commas",
                "x".repeat(513),
                "has 513 characters; the limit is 512");
        wrong.forEach((key, message) -> {
            var refused = assertThrows(
                    SettingsException.class, () -> TestSettings.listening(Map.of("API_KEYS", "good," + key)));
            assertEquals("API_KEYS: key 2 " + message, refused.getMessage());
        });
        var none = assertThrows(SettingsException.class, () -> TestSettings.listening(Map.of("API_KEYS", " , ")));
        assertEquals("API_KEYS: there is no key in it", none.getMessage());
    }
}
