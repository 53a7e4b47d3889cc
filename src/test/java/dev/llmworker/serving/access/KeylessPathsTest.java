package dev.llmworker.serving.access;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.WorkerExtension;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Without a key no spelling of a path gets past the keys: it is refused before anything makes a route of it.
class KeylessPathsTest {
    @RegisterExtension
    static final WorkerExtension worker = WorkerExtension.mock().with("API_KEYS", "a-key-of-the-worker");

    private static String answer(String line) throws Exception {
        try (var client = worker.raw().send(line + " HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n")) {
            return client.rest();
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/stats",
                "/stats/",
                "//stats",
                "/./stats",
                "/%73tats",
                "/ping/../stats",
                "/ping/%2e%2e/stats",
                "/ping%2f..%2fstats",
                "/ping;/../stats",
                "/ping/..;/stats",
                "/ping\\..\\stats",
                "/../stats",
                "/x/../stats",
                "http://worker/stats",
                "http://worker/ping/../stats",
                "/PING",
                "/ping/",
                "/ping%00",
                "//",
                "/nope",
                "stats",
            })
    void everythingButPingWantsAKeyHoweverItIsWritten(String target) throws Exception {
        for (var method : new String[] {"GET", "HEAD", "OPTIONS", "TRACE"}) {
            var answer = answer(method + " " + target);
            assertTrue(answer.startsWith("HTTP/1.1 401 "), target + "\n" + answer);
            assertTrue(!answer.contains("total_requests"), answer);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"/ping", "/ping?token=x", "http://worker/ping"})
    void pingDoesNot(String target) throws Exception {
        assertTrue(answer("GET " + target).startsWith("HTTP/1.1 200 "));
        assertEquals(401, worker.get("/stats").statusCode());
    }
}
