package dev.llmworker.serving.port;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.WorkerExtension;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Methods, targets and versions of HTTP/1.1 as they stand on the wire.
class RawTargetsTest {
    @RegisterExtension
    static final WorkerExtension worker = WorkerExtension.mock();

    private static String answer(String line, String headers) throws Exception {
        try (var client = worker.raw().send(line + "\r\nHost: worker\r\nConnection: close\r\n" + headers + "\r\n")) {
            return client.rest();
        }
    }

    private static void assertStatus(int status, String line, String headers) throws Exception {
        var answer = answer(line, headers);
        assertTrue(answer.startsWith("HTTP/1.") && answer.substring(9).startsWith(status + " "), line + "\n" + answer);
        assertTrue(answer.contains("X-Request-Id: "), answer);
    }

    @ParameterizedTest
    @CsvSource({
        "/ping, 200",
        "/ping?, 200",
        "/ping/, 200",
        "/%70ing, 200",
        "//ping, 200",
        "/./ping, 200",
        "/x/../ping, 200",
        "/x/%2e%2e/ping, 200",
        "http://elsewhere/ping, 200",
        "/PING, 404",
        "/ping;a=b, 404",
        "/ping%00, 404",
        "/ping%2f, 404",
        "/ping%0d%0aX:1, 404",
        "/ping#f, 404",
        "/%ff, 404",
        "/%c0%ae%c0%ae/ping, 404",
        "/../../etc/passwd, 404",
        "/..\\..\\ping, 404",
        "ping, 404",
        "http://worker, 200",
        "/routes/ping.camel.yaml, 404",
    })
    void aPathIsServedUnderItsNormalFormAndNoOther(String target, int status) throws Exception {
        assertStatus(status, "GET " + target + " HTTP/1.1", "");
    }

    @Test
    void methodsAreRefusedByNameWithThoseThatThereAre() throws Exception {
        for (var method : new String[] {"PUT", "DELETE", "TRACE", "BREW", "get"}) {
            var answer = answer(method + " /ping HTTP/1.1", "X-Mine: secret\r\n");
            assertTrue(answer.startsWith("HTTP/1.1 405 ") && answer.contains("\r\nAllow: GET, HEAD\r\n"), answer);
            assertTrue(!answer.contains("secret"), "TRACE must not give back what was sent");
        }
        assertStatus(404, "CONNECT elsewhere:80 HTTP/1.1", "");
        var head = answer("HEAD /stats HTTP/1.1", "");
        assertTrue(head.startsWith("HTTP/1.1 200 ") && head.endsWith("\r\n\r\n"), head);
        var notAllowed = answer("HEAD /generate HTTP/1.1", "");
        assertTrue(notAllowed.startsWith("HTTP/1.1 405 ") && notAllowed.endsWith("\r\n\r\n"), notAllowed);
    }

    @Test
    void oldClientsAreServed() throws Exception {
        try (var client = worker.raw().send("GET /ping HTTP/1.0\r\n\r\n")) {
            var answer = client.rest();
            assertTrue(answer.startsWith("HTTP/1.0 200 "), answer);
        }
        try (var client =
                worker.raw().send("GET /ping HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /stats HTTP/1.0\r\n\r\n")) {
            assertTrue(client.rest().contains("total_requests"));
        }
    }

    @Test
    void emptyLinesBeforeARequestAndFoldedHeadersAreTaken() throws Exception {
        assertStatus(200, "\r\n\r\nGET /ping HTTP/1.1", "X: a\r\n b\r\n");
    }

    @Test
    void aClientThatAsksIsToldWhetherToSendItsBody() throws Exception {
        var post = "POST /generate HTTP/1.1\r\nHost: worker\r\nConnection: close\r\nContent-Length: ";
        var body = "{\"prompt\":\"x\"}";
        try (var client = worker.raw().send(post + body.length() + "\r\nExpect: 100-continue\r\n\r\n")) {
            assertEquals("HTTP/1.1 100 Continue\r\n\r\n", client.head());
            assertTrue(client.send(body).rest().startsWith("HTTP/1.1 200 "));
        }
        try (var client = worker.raw().send(post + "2000000\r\nExpect: 100-continue\r\n\r\n")) {
            assertTrue(client.head().startsWith("HTTP/1.1 413 "));
        }
        try (var client = worker.raw().send(post + body.length() + "\r\nExpect: the-best\r\n\r\n")) {
            assertTrue(client.send(body).head().startsWith("HTTP/1.1 417 "));
        }
    }

    @Test
    void anEncodedBodyIsRefusedUnread() throws Exception {
        for (var coding : new String[] {"gzip", "deflate", "br", "gzip, identity"}) {
            assertStatus(415, "POST /generate HTTP/1.1", "Content-Encoding: " + coding + "\r\nContent-Length: 0\r\n");
        }
        assertStatus(400, "POST /generate HTTP/1.1", "Content-Encoding: identity\r\nContent-Length: 0\r\n");
    }

    @ParameterizedTest
    @CsvSource({
        "GET, 1.0, websocket, Upgrade, 13, dGhlIHNhbXBsZSBub25jZQ==, 0, 426",
        "GET, 1.1, h2c, Upgrade, 13, dGhlIHNhbXBsZSBub25jZQ==, 0, 426",
        "GET, 1.1, websocket, close, 13, dGhlIHNhbXBsZSBub25jZQ==, 0, 426",
        "GET, 1.1, websocket, Upgrade, 8, dGhlIHNhbXBsZSBub25jZQ==, 0, 426",
        "GET, 1.1, websocket, Upgrade, '', dGhlIHNhbXBsZSBub25jZQ==, 0, 426",
        "GET, 1.1, websocket, Upgrade, 13, '', 0, 400",
        "GET, 1.1, websocket, Upgrade, 13, too+short==, 0, 400",
        "GET, 1.1, websocket, Upgrade, 13, dGhlIHNhbXBsZSBub25jZQ==, 2, 400",
        "POST, 1.1, websocket, Upgrade, 13, dGhlIHNhbXBsZSBub25jZQ==, 0, 405",
    })
    void aHandshakeThatIsNoneIsRefusedWithWhatIsWrong(
            String method,
            String http,
            String upgrade,
            String connection,
            String version,
            String key,
            int body,
            int status)
            throws Exception {
        try (var client = worker.raw()
                .send(method + " /ws HTTP/" + http + "\r\nHost: worker\r\nUpgrade: " + upgrade + "\r\nConnection: "
                        + connection + "\r\nContent-Length: " + body
                        + (version.isEmpty() ? "" : "\r\nSec-WebSocket-Version: " + version)
                        + (key.isEmpty() ? "" : "\r\nSec-WebSocket-Key: " + key) + "\r\n\r\n" + "x".repeat(body))) {
            var head = client.head();
            assertTrue(head.substring(9).startsWith(status + " "), head);
            assertEquals("8".equals(version) || version.isEmpty(), head.contains("Sec-WebSocket-Version: 13"), head);
        }
        assertEquals(0, worker.stats.webSockets());
    }

    @Test
    void anUpgradeWhereNoWebSocketIsServedIsAnsweredAsIfNoneWereAsked() throws Exception {
        var upgrade =
                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        assertStatus(200, "GET /ping HTTP/1.1", upgrade);
        assertStatus(404, "GET /nope HTTP/1.1", upgrade);
    }
}
