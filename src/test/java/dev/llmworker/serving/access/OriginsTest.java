package dev.llmworker.serving.access;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.MockGenerator;
import dev.llmworker.settings.SettingsException;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.TestSettings;
import dev.llmworker.testing.TestWorker;
import dev.llmworker.testing.WorkerExtension;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// What browsers are told, and which sites' pages may connect.
class OriginsTest {
    private static final String SITE = "https://app.example.com";
    private static final String KEY = "a-key-that-is-long-enough";

    @RegisterExtension
    static final WorkerExtension worker = WorkerExtension.mock()
            .with("ALLOWED_ORIGINS", "https://other.example.com/, HTTPS://App.Example.com")
            .with("API_KEYS", KEY);

    /// The head of the answer, in lower case.
    private static String head(TestWorker worker, String request, String... headers) throws Exception {
        var lines = new StringBuilder(request + " HTTP/1.1\r\nHost: worker:80\r\n");
        for (var header : headers) {
            lines.append(header).append("\r\n");
        }
        try (var raw = worker.raw().send(lines + "\r\n")) {
            return raw.head().toLowerCase(Locale.ROOT);
        }
    }

    private static String preflight(TestWorker worker, String origin) throws Exception {
        return head(
                worker,
                "OPTIONS /generate",
                "Origin: " + origin,
                "Access-Control-Request-Method: POST",
                "Access-Control-Request-Headers: authorization,content-type,x-api-key");
    }

    private static String handshake(TestWorker worker, String... headers) throws Exception {
        var all = new String[headers.length + 5];
        System.arraycopy(headers, 0, all, 5, headers.length);
        all[0] = "Upgrade: websocket";
        all[1] = "Connection: Upgrade";
        all[2] = "Sec-WebSocket-Version: 13";
        all[3] = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
        all[4] = "X-API-Key: " + KEY;
        return head(worker, "GET /ws", all).substring("http/1.1 ".length(), "http/1.1 ".length() + 3);
    }

    @Test
    void aPreflightIsAnsweredWithoutAKeyForSitesOnTheList() throws Exception {
        var answer = preflight(worker, SITE);
        assertTrue(answer.startsWith("http/1.1 204 "), answer);
        assertTrue(answer.contains("access-control-allow-origin: " + SITE + "\r\n"), answer);
        assertTrue(answer.contains("vary: origin\r\n"), answer);
        for (var needed : new String[] {"authorization", "x-api-key", "content-type", "x-request-id"}) {
            assertTrue(answer.matches("(?s).*access-control-allow-headers: [^\r]*\\b" + needed + "\\b.*"), answer);
        }
        assertTrue(answer.matches("(?s).*access-control-allow-methods: [^\r]*post.*"), answer);
        var refused = preflight(worker, "https://evil.example.com");
        assertTrue(refused.startsWith("http/1.1 403 "), refused);
        assertTrue(!refused.contains("access-control-allow"), refused);
    }

    @Test
    void answersAndErrorsAreReadableForSitesOnTheListAlone() throws Exception {
        for (var key : new String[] {KEY, "wrong"}) {
            var answer = head(worker, "GET /stats", "Origin: " + SITE, "X-API-Key: " + key);
            assertTrue(answer.startsWith(key.equals(KEY) ? "http/1.1 200 " : "http/1.1 401 "), answer);
            assertTrue(answer.contains("access-control-allow-origin: " + SITE + "\r\n"), answer);
            assertTrue(answer.contains("access-control-expose-headers: x-request-id"), answer);
            for (var origin : new String[] {"https://evil.example.com", SITE + ".evil.com", "null", SITE + ":444"}) {
                var other = head(worker, "GET /stats", "Origin: " + origin, "X-API-Key: " + key);
                assertTrue(!other.contains("access-control-allow"), other);
                assertTrue(other.contains("vary: origin\r\n"), other);
            }
        }
    }

    @Test
    void webSocketsAreForSitesOnTheListAndTheWorkersOwnPageAndProgramsWithoutAnOrigin() throws Exception {
        assertEquals("101", handshake(worker));
        assertEquals("101", handshake(worker, "Origin: " + SITE));
        assertEquals("101", handshake(worker, "Origin: http://worker:80"));
        assertEquals("403", handshake(worker, "Origin: https://evil.example.com"));
        assertEquals("403", handshake(worker, "Origin: null"));
        assertEquals("403", handshake(worker, "Origin: http://worker:81"));
        assertEquals("403", handshake(worker, "Origin: " + SITE, "Origin: https://evil.example.com"));
    }

    @Test
    void aStarIsForAll() throws Exception {
        try (var open = new RunningWorker(new MockGenerator(), Map.of("ALLOWED_ORIGINS", "*"))) {
            assertTrue(preflight(open, "https://evil.example.com").contains("access-control-allow-origin: *\r\n"));
            assertEquals("101", handshake(open, "Origin: https://evil.example.com"));
        }
    }

    @Test
    void withoutAListNoSiteIsGivenLeaveAndSocketsAreOpenAsTheyWere() throws Exception {
        try (var unlisted = RunningWorker.with(new MockGenerator())) {
            var answer = head(unlisted, "GET /stats", "Origin: " + SITE);
            assertTrue(answer.startsWith("http/1.1 200 "), answer);
            assertTrue(!answer.contains("access-control") && !answer.contains("vary"), answer);
            assertTrue(preflight(unlisted, SITE).startsWith("http/1.1 405 "));
            assertEquals("101", handshake(unlisted, "Origin: " + SITE));
        }
    }

    @Test
    void whatIsNoOriginIsRefusedAtTheStart() {
        for (var wrong : new String[] {"example.com", "https://example.com/path", "https://", "a b"}) {
            var error = assertThrows(
                    SettingsException.class,
                    () -> TestSettings.listening(Map.of("ALLOWED_ORIGINS", "https://a.b," + wrong)));
            assertEquals(
                    "ALLOWED_ORIGINS: \"" + wrong.replaceFirst("/$", "")
                            + "\" is no origin; one is like https://example.com or *",
                    error.getMessage());
        }
    }
}
