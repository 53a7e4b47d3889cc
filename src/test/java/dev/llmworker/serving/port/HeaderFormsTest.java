package dev.llmworker.serving.port;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import dev.llmworker.testing.WorkerExtension;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.slf4j.LoggerFactory;

/// The many forms in which HTTP lets a client write the same headers. Each must get the answer of the usual form.
@Isolated("it expects that nothing is logged")
class HeaderFormsTest {
    private static final String KEY = "a-key-that-is-long-enough";
    private static final String SITE = "https://app.example.com";
    private static final String REST =
            "Host: worker|Sec-WebSocket-Version: 13|Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==|";
    private static final String OPEN = REST + "X-API-Key: " + KEY + "|";

    @RegisterExtension
    static final WorkerExtension worker =
            WorkerExtension.mock().with("ALLOWED_ORIGINS", SITE).with("API_KEYS", KEY);

    private final Logger root = (Logger) LoggerFactory.getLogger(org.slf4j.Logger.ROOT_LOGGER_NAME);
    private final ListAppender<ILoggingEvent> logged = new ListAppender<>();

    @BeforeEach
    void listen() {
        logged.start();
        root.addAppender(logged);
    }

    @AfterEach
    void noErrorIsLogged() {
        root.detachAppender(logged);
        assertEquals(
                List.of(),
                logged.list.stream()
                        .filter(event -> event.getLevel().isGreaterOrEqual(Level.WARN))
                        .toList());
    }

    private static String head(String request) throws Exception {
        try (var client = worker.raw().send(request.replace("|", "\r\n"))) {
            return client.head();
        }
    }

    private static void assertStatus(int status, String request) throws Exception {
        var head = head(request);
        assertTrue(head.startsWith("HTTP/1.1 " + status + " "), request + "\n" + head);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "Connection: Upgrade|Upgrade: websocket|",
                "Connection: keep-alive, Upgrade|Upgrade: websocket|",
                "Connection: keep-alive|Connection: Upgrade|Upgrade: websocket|",
                "Connection: Upgrade|Connection: keep-alive|Upgrade: websocket|",
                "Connection: keep-alive,\tUpgrade|Upgrade: websocket|",
                "Connection:\tupgrade\t,,\t|Upgrade:\twebsocket\t|",
                "Connection: UPGRADE|Upgrade: WebSocket|",
                "connection: upgrade|upgrade: WEBSOCKET|",
                "Connection: Upgrade, HTTP2-Settings|Upgrade: h2c, websocket|",
                "Connection: Upgrade|Upgrade: websocket, h2c|",
                "Connection: Upgrade|Upgrade: h2c|Upgrade: websocket|",
                "Connection: Upgrade|Upgrade: websocket|Upgrade: h2c|",
                "Connection: Upgrade|Upgrade: ,websocket,|",
                "Connection: , Upgrade|Connection:|Upgrade: websocket|",
                "Connection: keep-alive,| Upgrade|Upgrade: websocket|",
            })
    void aHandshakeMayBeWrittenInManyWays(String lists) throws Exception {
        assertStatus(101, "GET /ws HTTP/1.1|" + lists + OPEN + "|");
        // The origin check sees the same.
        assertStatus(101, "GET /ws HTTP/1.1|" + lists + OPEN + "Origin: " + SITE + "||");
        assertStatus(403, "GET /ws HTTP/1.1|" + lists + OPEN + "Origin: https://evil.example||");
        // And so does the check of the key.
        assertStatus(101, "GET /ws?token=" + KEY + " HTTP/1.1|" + lists + REST + "|");
    }

    @ParameterizedTest
    @ValueSource(strings = {"Connection: close, Upgrade|", "Connection: Upgrade|Connection: close|"})
    void aWebSocketOutlivesTheRequestThatAsksForIt(String connection) throws Exception {
        try (var client = worker.raw()
                .send(("GET /ws HTTP/1.1|Upgrade: websocket|" + connection + OPEN + "|").replace("|", "\r\n"))) {
            assertTrue(client.head().startsWith("HTTP/1.1 101 "));
            client.text("{\"prompt\":\"x\",\"max_tokens\":1}");
            assertTrue(client.frame().text().startsWith("{\"token\":\""));
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "Connection: Upgrade|Upgrade: h2c|",
                "Connection: Upgrade|Upgrade: notwebsocket|",
                "Connection: Upgrade|Upgrade: \"websocket|",
                "Connection: NoUpgrade|Upgrade: websocket|",
                "Connection: keep-alive|Upgrade: websocket|",
                "Connection: \"a,Upgrade,b\"|Upgrade: websocket|",
                "Upgrade: websocket|",
            })
    void whatAsksForNoWebSocketIsNoHandshakeForAnyCheck(String lists) throws Exception {
        assertStatus(426, "GET /ws HTTP/1.1|" + lists + OPEN + "|");
        assertStatus(401, "GET /ws?token=" + KEY + " HTTP/1.1|" + lists + REST + "|");
    }

    @ParameterizedTest
    @ValueSource(strings = {"|", "^", "`", "{", "}", "\"", "<", ">", "\\"})
    void aCharacterThatBrowsersLeaveUnencodedIsTaken(String character) throws Exception {
        var request = "GET /ws?x=@ HTTP/1.1|Connection: Upgrade|Upgrade: websocket|" + OPEN + "|";
        try (var client = worker.raw().send(request.replace("|", "\r\n").replace("@", character))) {
            var head = client.head();
            assertTrue(head.startsWith("HTTP/1.1 101 "), head);
        }
    }

    @Test
    void aTargetThatIsNoUriIsAnsweredByJson() throws Exception {
        var request = "GET /ws?x=\u0085 HTTP/1.1|" + "Connection: Upgrade, close|Upgrade: websocket|" + OPEN + "|";
        try (var client = worker.raw().send(request.replace("|", "\r\n"))) {
            var answer = client.rest();
            assertTrue(answer.startsWith("HTTP/1.1 400 ") && answer.contains("{\"error\":\""), answer);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "Connection: close|",
                "Connection: Close|",
                "Connection:\tclose\t|",
                "Connection: close, TE|TE: trailers|",
                "Connection: TE,\tclose|TE: trailers|",
                "Connection: TE|Connection: close|TE: trailers|",
                "Connection: ,close|",
                "Connection: keep-alive, close|",
            })
    void aClientThatAsksForTheEndOfTheConnectionGetsIt(String lists) throws Exception {
        try (var client = worker.raw().send(("GET /ping HTTP/1.1|Host: worker|" + lists + "|").replace("|", "\r\n"))) {
            var answer = client.rest().toLowerCase(Locale.ROOT);
            assertTrue(answer.startsWith("http/1.1 200 ") && answer.contains("\r\nconnection: close\r\n"), answer);
        }
    }

    @Test
    void closeWinsOverKeepAliveForOldClientsToo() throws Exception {
        try (var client =
                worker.raw().send("GET /ping HTTP/1.0\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n")) {
            var answer = client.rest().toLowerCase(Locale.ROOT);
            assertTrue(answer.startsWith("http/1.0 200 ") && !answer.contains("keep-alive"), answer);
        }
    }

    @Test
    void codingsAreListsToo() throws Exception {
        var post = "POST /generate HTTP/1.1|Host: worker|X-API-Key: " + KEY + "|";
        var chunks = "|c|{\"prompt\":1}|0||";
        for (var chunked : List.of(" chunked", "\tChunked\t", " ,chunked", ",\tchunked,", " chunked,,")) {
            // The body is read: its field is wrong.
            assertStatus(400, post + "Transfer-Encoding:" + chunked + "|" + chunks);
            try (var client = worker.raw()
                    .send((post + "Connection: close|Transfer-Encoding:" + chunked + "|" + chunks)
                            .replace("|", "\r\n"))) {
                assertTrue(client.rest().contains("prompt is "), chunked);
            }
        }
        for (var other : List.of(
                "Transfer-Encoding: chunked|Transfer-Encoding: gzip|",
                "Transfer-Encoding: identity|Transfer-Encoding: chunked|",
                "Transfer-Encoding: gzip, chunked|",
                "Transfer-Encoding:|")) {
            try (var client = worker.raw()
                    .send((post + other + chunks + "GET /ping HTTP/1.1|Host: worker||").replace("|", "\r\n"))) {
                var answer = client.rest();
                assertTrue(answer.startsWith("HTTP/1.1 400 ") && !answer.contains("healthy"), other + answer);
            }
        }
        assertStatus(415, post + "Content-Length: 0|Content-Encoding: identity|Content-Encoding: gzip||");
        assertStatus(400, post + "Content-Length: 0|Content-Encoding:\tidentity|Content-Encoding: Identity||");
        assertStatus(400, post + "Content-Length: 0|Content-Encoding:||");
        for (var expect : List.of("Expect: 100-Continue|", "Expect:\t100-continue,|", "Expect: , 100-continue|")) {
            assertStatus(100, post + "Content-Length: 2|" + expect + "|");
        }
    }

    /// A header with its members in some legal form.
    private static List<String> lines(Random random, String name, List<String> sent) {
        var members = new ArrayList<>(sent);
        Collections.shuffle(members, random);
        var lines = new ArrayList<String>();
        var line = new StringBuilder();
        for (var member : members) {
            if (!line.isEmpty() && random.nextInt(3) == 0) {
                lines.add(line.toString());
                line.setLength(0);
            }
            line.append(line.isEmpty() ? "" : ",").append(empty(random)).append(white(random));
            line.append(cased(random, member)).append(white(random));
        }
        lines.add(line + (random.nextInt(5) == 0 ? "," + white(random) : ""));
        return lines.stream()
                .map(value -> cased(random, name) + ":" + white(random) + value)
                .toList();
    }

    private static String empty(Random random) {
        return random.nextInt(5) == 0 ? white(random) + "," : "";
    }

    private static String white(Random random) {
        return List.of("", " ", "\t", " \t ").get(random.nextInt(4));
    }

    private static String cased(Random random, String text) {
        var cased = new StringBuilder();
        for (var c : text.toCharArray()) {
            cased.append(random.nextBoolean() ? Character.toUpperCase(c) : Character.toLowerCase(c));
        }
        return cased.toString();
    }

    private static List<String> someOf(Random random, String... members) {
        var some = new ArrayList<String>();
        for (var member : members) {
            if (random.nextInt(3) == 0) {
                some.add(member);
            }
        }
        return some;
    }

    @Seeded
    @Test
    void everyLegalFormOfAHandshakeGetsTheAnswerOfTheUsualOne() throws Exception {
        var random = Seeds.random();
        for (var round = 0; round < Seeds.rounds(300); round++) {
            var allowed = random.nextBoolean();
            var keyed = random.nextInt(4) > 0;
            var asks = random.nextInt(4) > 0;
            var connection = someOf(random, "keep-alive", "HTTP2-Settings", "TE");
            var upgrade = someOf(random, "h2c", "TLS/1.0");
            if (asks) {
                connection.add("Upgrade");
            }
            upgrade.add("websocket");
            var headers = new ArrayList<String>(lines(random, "Upgrade", upgrade));
            headers.addAll(connection.isEmpty() ? List.of() : lines(random, "Connection", connection));
            headers.addAll(lines(random, "Sec-WebSocket-Extensions", List.of("permessage-deflate", "x-y; a=\"b,c\"")));
            headers.addAll(List.of(
                    cased(random, "Host") + ": worker",
                    cased(random, "Sec-WebSocket-Version") + ":" + white(random) + "13" + white(random),
                    "Sec-WebSocket-Key:" + white(random) + "dGhlIHNhbXBsZSBub25jZQ==" + white(random),
                    "Origin:" + white(random) + (allowed ? SITE : "https://evil.example") + white(random)));
            if (keyed) {
                headers.add("Authorization: " + cased(random, "Bearer") + " " + KEY);
            }
            Collections.shuffle(headers, random);
            var request = "GET /ws HTTP/1.1\r\n" + String.join("\r\n", headers) + "\r\n\r\n";
            var status = asks && !allowed ? 403 : !keyed ? 401 : asks ? 101 : 426;
            assertEquals(status + "", head(request).substring(9, 12), "round " + round + "\n" + request);
        }
    }

    @Seeded
    @Test
    void everyLegalFormOfARequestGetsTheAnswerOfTheUsualOne() throws Exception {
        var random = Seeds.random();
        for (var round = 0; round < Seeds.rounds(300); round++) {
            var ends = random.nextBoolean();
            var connection = someOf(random, "keep-alive", "TE", "Upgrade");
            if (ends) {
                connection.add("close");
            }
            var headers = new ArrayList<String>(List.of("Host: worker", "X-API-Key: " + KEY));
            headers.addAll(connection.isEmpty() ? List.of() : lines(random, "Connection", connection));
            headers.addAll(lines(random, "Upgrade", List.of("h2c")));
            headers.addAll(lines(random, "Accept", List.of("application/json", "*/*; q=0.1")));
            headers.addAll(lines(random, "Content-Encoding", List.of("identity")));
            headers.addAll(lines(random, "Transfer-Encoding", List.of("chunked")));
            headers.add(cased(random, "Content-Type") + ":" + white(random) + cased(random, "application/json")
                    + white(random) + ";" + white(random) + cased(random, "charset=utf-8") + white(random));
            Collections.shuffle(headers, random);
            var request = "POST /generate HTTP/1.1\r\n" + String.join("\r\n", headers)
                    + "\r\n\r\n1d\r\n{\"prompt\":\"x\",\"max_tokens\":1}\r\n0\r\n\r\n";
            var of = "round " + round + "\n" + request;
            try (var client = worker.raw().send(request)) {
                if (!ends) {
                    client.send("GET /ping HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n");
                }
                var answer = client.rest();
                assertTrue(answer.startsWith("HTTP/1.1 200 ") && answer.contains("generated_text"), of + answer);
                assertEquals(!ends, answer.contains("healthy"), of + answer);
            }
        }
    }
}
