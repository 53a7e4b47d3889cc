package dev.llmworker.serving.access;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import dev.llmworker.generation.MockGenerator;
import dev.llmworker.serving.port.HttpPort;
import dev.llmworker.settings.SettingsException;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.TestSettings;
import dev.llmworker.testing.TestWorker;
import dev.llmworker.testing.WorkerExtension;
import io.vertx.core.net.SocketAddress;
import java.net.http.HttpRequest;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.slf4j.LoggerFactory;

/// What browsers are told, and which sites' pages may connect.
class OriginsTest {
    private static final String SITE = "https://app.example.com";
    private static final String KEY = "a-key-that-is-long-enough";

    @RegisterExtension
    static final WorkerExtension worker = WorkerExtension.mock()
            .with("ALLOWED_ORIGINS", "https://other.example.com/, HTTPS://App.Example.com")
            .with("ALLOWED_HOSTS", "worker")
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
        assertEquals("101", handshake(worker, "Origin: http://localhost:5173"));
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
        }
        assertTrue(Origins.UNLISTED.mayCall(SITE, "worker", false));
    }

    /// The attacker's page may also come from a name that it lets point to this machine.
    @Test
    void aPageOfAnotherSiteDoesNotDriveAWorkerOfThisMachine() throws Exception {
        try (var unlisted = RunningWorker.with(new MockGenerator())) {
            for (var origin : new String[] {SITE, "http://worker:80", "null", "http://localhost, " + SITE}) {
                var body = "{\"prompt\":\"x\"}";
                assertEquals("403", handshake(unlisted, "Origin: " + origin), origin);
                for (var type : new String[] {"text/plain", "application/json"}) {
                    var refused = head(
                            unlisted,
                            "POST /generate",
                            "Origin: " + origin,
                            "Content-Type: " + type,
                            "Content-Length: " + body.length());
                    assertTrue(refused.startsWith("http/1.1 403 "), refused);
                }
            }
            for (var origin : new String[] {"http://localhost:3000", "http://127.0.0.1", "https://a.b.localhost"}) {
                assertEquals("101", handshake(unlisted, "Origin: " + origin), origin);
            }
            assertEquals("101", handshake(unlisted));
            assertEquals(200, unlisted.post("/generate", "{\"prompt\":\"x\"}").statusCode());
            var refused = RunningWorker.send(unlisted.request("/generate")
                    .header("Origin", SITE)
                    .POST(HttpRequest.BodyPublishers.ofString("{}")));
            assertEquals(
                    "{\"error\":\"the origin " + SITE
                            + " may not call this worker; to let its pages in, add it to ALLOWED_ORIGINS\","
                            + "\"code\":\"origin_not_allowed\"}",
                    refused.body());
        }
    }

    /// Host is `worker:8080`, and only hosts of `example.net` are listed.
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                // Origin | no list, loopback | no list, elsewhere | a list, loopback | a list, elsewhere
                "https://app.example.com | no | yes | yes | yes",
                "https://evil.example | no | yes | no | no",
                "http://worker:8080 | no | yes | no | yes",
                "http://worker | no | yes | no | no",
                "null | no | yes | no | no",
                "http://localhost | yes | yes | yes | no",
                "http://LOCALHOST:1 | yes | yes | yes | no",
                "http://localhost. | yes | yes | yes | no",
                "https://app.localhost:8443 | yes | yes | yes | no",
                "http://127.0.0.1:3000 | yes | yes | yes | no",
                "http://127.9.9.9 | yes | yes | yes | no",
                "http://[::1]:3000 | yes | yes | yes | no",
                "http://[::ffff:7f00:1] | yes | yes | yes | no",
                "http://0.0.0.0:8080 | yes | yes | yes | no",
                "tauri://localhost | yes | yes | yes | no",
                "http://localhost.evil.example | no | yes | no | no",
                "http://evillocalhost | no | yes | no | no",
                "http://127.0.0.1.evil.example | no | yes | no | no",
                "http://evil.example/.localhost | no | yes | no | no",
                "http://localhost@evil.example | no | yes | no | no",
                "http://evil.example:80.localhost | no | yes | no | no",
                "http://[::1].evil.example | no | yes | no | no",
                "http://[::2] | no | yes | no | no",
                "http://10.0.0.1 | no | yes | no | no",
                "localhost | no | yes | no | no",
            })
    void whichPagesMayCall(String origin, String here, String elsewhere, String listedHere, String listedElsewhere) {
        var hosts = Origins.hosts("*.example.net");
        var open = Origins.UNLISTED.withHosts(hosts);
        var listed = Origins.of(SITE).withHosts(hosts);
        var host = "worker:8080";
        assertEquals(here.equals("yes"), open.mayCall(origin, host, true), "no list, loopback");
        assertEquals(elsewhere.equals("yes"), open.mayCall(origin, host, false), "no list, elsewhere");
        assertEquals(listedHere.equals("yes"), listed.mayCall(origin, host, true), "a list, loopback");
        assertEquals(listedElsewhere.equals("yes"), listed.mayCall(origin, host, false), "a list, elsewhere");
    }

    @Test
    void theWorkersOwnPageIsBelievedOnLoopbackUnderListedNamesOnly() {
        var origins = Origins.UNLISTED.withHosts(Origins.hosts("worker.example.com, *.example.net, 192.0.2.1"));
        for (var host :
                new String[] {"worker.example.com", "Worker.example.com:8080", "a.example.net", "192.0.2.1:80"}) {
            assertTrue(origins.mayCall("http://" + host, host, true), host);
            assertFalse(origins.mayCall("http://" + host, "other.example.com", true), host);
            assertFalse(origins.mayCall("http://" + host, null, true), host);
        }
        for (var host : new String[] {"evil.example", "worker.example.com.evil.example", "example.net", "192.0.2.2"}) {
            assertFalse(origins.mayCall("http://" + host, host, true), host);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "http://worker",
                "worker:8080",
                "worker/",
                "*",
                "a b",
                "w*r",
                "worker@",
                "",
                " , ",
                "a..b",
                "[::1"
            })
    void aHostThatIsNoneIsRefusedAtTheStart(String hosts) {
        assertThrows(IllegalArgumentException.class, () -> Origins.hosts(hosts));
    }

    @Test
    void connectionsToALoopbackAddressAreKnown() {
        for (var address : new String[] {"127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1"}) {
            assertTrue(Access.isOnLoopback(SocketAddress.inetSocketAddress(1, address)), address);
        }
        for (var address : new String[] {"10.0.0.1", "fe80::1", "192.0.2.1"}) {
            assertFalse(Access.isOnLoopback(SocketAddress.inetSocketAddress(1, address)), address);
        }
    }

    private static List<String> warnings(ListAppender<ILoggingEvent> lines) {
        return lines.list.stream()
                .filter(line -> line.getLevel() == Level.WARN)
                .map(ILoggingEvent::getFormattedMessage)
                .toList();
    }

    private static void serve(Map<String, String> settings) throws Exception {
        try (var port = HttpPort.open(TestSettings.listening(settings))) {
            port.serve(_ -> {});
        }
    }

    @Test
    void aWorkerThatIsOpenToOthersSaysSoOnce() throws Exception {
        var log = (Logger) LoggerFactory.getLogger(HttpPort.class);
        var lines = new ListAppender<ILoggingEvent>();
        lines.start();
        log.addAppender(lines);
        try {
            serve(Map.of());
            serve(Map.of("HOST", "0.0.0.0", "API_KEYS", KEY));
            assertEquals(List.of(), warnings(lines));
            serve(Map.of("HOST", "0.0.0.0"));
            assertEquals(1, warnings(lines).size());
            assertTrue(warnings(lines).getFirst().startsWith("no API key is set: everyone"));
        } finally {
            log.detachAppender(lines);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '~',
            value = {
                "http://localhost:* | http://localhost http://localhost:3000 http://localhost:80 | https://localhost http://localhost.evil http://evil.localhost http://localhost:3000x",
                "https://*.example.com | https://a.example.com https://a.b.example.com | https://example.com https://evilexample.com https://a.example.com.evil https://a.example.com:444 http://a.example.com https://a/.example.com",
                "https://*.example.com:* | https://a.example.com https://a.example.com:444 | https://example.com:444",
                "chrome-extension://* | chrome-extension://abcdefghijklmnop | moz-extension://abcdefghijklmnop http://abcdefghijklmnop chrome-extension://a/b",
                "chrome-extension://AbC | chrome-extension://abc | chrome-extension://abd",
                "https://app.example.com:443 | https://app.example.com | https://app.example.com:80",
                "http://app.example.com:80/ | http://app.example.com | https://app.example.com",
                "http://app.example.com:443 | http://app.example.com:443 | http://app.example.com",
                "https://a:0444 | https://a:444 | https://a",
                "https://bücher.example | https://xn--bcher-kva.example | https://bucher.example",
                "https://*.BÜCHER.example:443 | https://www.xn--bcher-kva.example | https://xn--bcher-kva.example",
                "HTTPS://App.Example.COM | https://app.example.com | https://app.example.co",
                "http://[0:0:0:0:0:0:0:1]:8080 | http://[::1]:8080 | http://[::1]",
                "http://127.0.0.1:* | http://127.0.0.1:5173 http://127.0.0.1 | http://127.0.0.2",
                "capacitor://localhost | capacitor://localhost | http://localhost",
                "null | null | nullx http://null",
            })
    void anEntryLetsInWhatBrowsersSendForIt(String entry, String allowed, String others) {
        var origins = Origins.of("https://other.example, " + entry);
        for (var origin : allowed.split(" ")) {
            assertTrue(origins.allows(origin), entry + " lets in " + origin);
        }
        for (var origin : others.split(" ")) {
            assertFalse(origins.allows(origin), entry + " keeps out " + origin);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '~',
            value = {
                "example.com | has no scheme; write http://example.com or https://example.com",
                "localhost:3000 | has no scheme; write http://localhost:3000 or https://localhost:3000",
                "*.example.com | has no scheme; write http://*.example.com or https://*.example.com",
                "*://example.com | has no valid scheme; write http://example.com and https://example.com",
                "https://example.com/path | is no origin; one is a scheme, a host and perhaps a port, like https://example.com, without a path",
                "https://example.com?x | is no origin; one is a scheme, a host and perhaps a port, like https://example.com, without a path",
                "https://example.com// | is no origin; one is a scheme, a host and perhaps a port, like https://example.com, without a path",
                "https:// | is no origin; one is a scheme, a host and perhaps a port, like https://example.com, without a path",
                "https://user@example.com | has a user in it, which no browser sends; leave it out",
                "https://user:pw@example.com | has a user in it, which no browser sends; leave it out",
                "https://a https://b | has a blank in it; separate origins by commas",
                "file:///x | is no origin; browsers send null for files, so write null",
                "wss://example.com | is the address of a WebSocket; write the page's, which begins with https://",
                "https://* | has no host; write * alone to allow all sites",
                "http://*:3000 | has no host; write * alone to allow all sites",
                "https://a.*.com | has a * inside its host; it can stand for all labels in front of a host, as in https://*.example.com",
                "https://*a.com | has a * inside its host; it can stand for all labels in front of a host, as in https://*.example.com",
                "https://*.*.com | has a * inside its host; it can stand for all labels in front of a host, as in https://*.example.com",
                "https://a:http | has no valid port; it is a number up to 65535, or * for any",
                "https://a:70000 | has no valid port; it is a number up to 65535, or * for any",
                "https://a:80* | has no valid port; it is a number up to 65535, or * for any",
                "https://a..b | has no valid host; one is like https://example.com",
                "https://a%2eb | has no valid host; one is like https://example.com",
                "\"https://a\" | has a quote in it; leave it out",
                "example.com/path | has no scheme; write http://example.com or https://example.com",
                "http://127.1 | has no valid host; browsers write an IPv4 address as four numbers, like http://127.0.0.1",
                "http://0x7f000001 | has no valid host; browsers write an IPv4 address as four numbers, like http://127.0.0.1",
                "http://[::1 | is no origin; one is a scheme, a host and perhaps a port, like https://example.com, without a path",
                "http://[::zz] | has no valid IPv6 address; one is like http://[::1]:8080",
                "https://straße.de | has a letter that browsers write in different ways; write the host as your browser sends it, which begins with xn--",
            })
    void whatNoBrowserSendsIsRefusedAtTheStart(String entry, String why) {
        var error = assertThrows(
                SettingsException.class,
                () -> TestSettings.listening(Map.of("ALLOWED_ORIGINS", "https://a.b, " + entry)));
        assertEquals("ALLOWED_ORIGINS: \"" + entry + "\" " + why, error.getMessage());
    }

    @Test
    void aListWithoutAnOriginIsRefusedAtTheStart() {
        var error =
                assertThrows(SettingsException.class, () -> TestSettings.listening(Map.of("ALLOWED_ORIGINS", " , ,")));
        assertEquals(
                "ALLOWED_ORIGINS: there is no origin in it; one is like https://example.com or *", error.getMessage());
    }

    /// Each label took stack of the event loop.
    @Test
    void anOriginOfManyLabelsIsMatchedWithoutMuchStack() throws Exception {
        var pattern = OriginPattern.of("https://*.example.com").asMatchPredicate();
        var outcome = new AtomicReference<Object>();
        var thread = new Thread(
                null,
                () -> {
                    try {
                        outcome.set(pattern.test("https://" + "a.".repeat(50_000) + "example.com")
                                && !pattern.test("https://" + "a.".repeat(50_000) + "example.org"));
                    } catch (StackOverflowError e) {
                        outcome.set(e);
                    }
                },
                "small stack",
                256 * 1024);
        thread.start();
        thread.join();
        assertEquals(true, outcome.get());
        for (var other : List.of(
                "https://example.com", "https://a..example.com", "https://.example.com", "https://a/.example.com")) {
            assertFalse(pattern.test(other), other);
        }
        assertTrue(pattern.test("https://a-b.c.example.com"));
    }
}
