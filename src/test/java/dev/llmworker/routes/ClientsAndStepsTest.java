package dev.llmworker.routes;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.MockGenerator;
import dev.llmworker.testing.LoopbackServer;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What a client sends must not steer the steps of a route, however careless the route is.
class ClientsAndStepsTest {
    private static final String SECRET_PROPERTY = "clients.and.steps.secret";
    private static final String SECRET = "s3cret-value";

    @TempDir
    Path folder;

    private LoopbackServer backend;
    private LoopbackServer elsewhere;

    @BeforeEach
    void startServers() throws Exception {
        System.setProperty(SECRET_PROPERTY, SECRET);
        backend = new LoopbackServer();
        elsewhere = new LoopbackServer();
    }

    @AfterEach
    void stopServers() {
        System.clearProperty(SECRET_PROPERTY);
        backend.close();
        elsewhere.close();
    }

    /// A bean that a request must not call.
    public static final class Counter {
        private final AtomicInteger calls = new AtomicInteger();

        public String call() {
            return "called " + calls.incrementAndGet();
        }
    }

    private RunningWorker worker(String uri) throws Exception {
        RouteFolder.in(folder).route("naive", uri, "to: '" + backend.address("/fixed") + "'");
        return RunningWorker.with(new MockGenerator(), folder);
    }

    private static String answer(RunningWorker worker, String target) throws Exception {
        try (var client =
                worker.raw().send("GET " + target + " HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n")) {
            return client.rest();
        }
    }

    /// CVE-2026-78164, and the same by the worker's own hand: Camel takes the request's target for the step's address.
    @Test
    void noTargetChoosesTheHostOfAStepOrIsResolved() throws Exception {
        var counter = new Counter();
        var secret = "{{sys:" + SECRET_PROPERTY + "}}";
        try (var worker = worker("platform-http:/naive?matchOnUriPrefix=true")) {
            worker.bind("counter", counter);
            for (var target : List.of(
                    elsewhere.address("/naive").toString(),
                    elsewhere.address("/naive") + "?x=" + secret,
                    elsewhere.address("/naive").toString().replace("http:", "HTTP:"),
                    "//" + elsewhere.address("/naive").getAuthority() + "/../naive",
                    "/naive?x=" + secret,
                    "/naive/" + secret,
                    "/naive?x={{bean:counter.call}}",
                    "/naive/{{bean:counter.call}}",
                    "/naive?x={{{{bean:counter.call}}}}",
                    "/naive?{{?bean:counter.call}}",
                    "/naive?x=%7B%7Bbean:counter.call%7D%7D")) {
                var answer = answer(worker, target);
                assertTrue(answer.startsWith("HTTP/1.1 "), target + "\n" + answer);
                assertFalse(answer.contains(SECRET), target + "\n" + answer);
            }
        }
        assertEquals(List.of(), elsewhere.requests());
        assertEquals(0, counter.calls.get(), "a request called a bean");
        assertFalse(
                backend.requests().stream()
                        .anyMatch(request -> request.pathAndQuery().contains(SECRET)),
                () -> backend.requests().toString());
    }

    @Test
    void anAbsoluteTargetIsServedByItsPathAndARouteSeesNothingElseOfIt() throws Exception {
        RouteFolder.in(folder)
                .route(
                        "seen",
                        "platform-http:/seen",
                        "setBody: {simple: '${header.CamelHttpUri} ${header.CamelHttpUrl} ${header.CamelHttpPath}'}");
        try (var worker = RunningWorker.with(new MockGenerator(), folder)) {
            var answer = answer(worker, "http://elsewhere.example:81/seen?a=1");
            assertTrue(answer.endsWith("/seen /seen /seen"), answer);
            try (var client = worker.raw()
                    .send("GET http://elsewhere.example/ws HTTP/1.1\r\nHost: worker\r\nUpgrade: websocket\r\n"
                            + "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                            + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")) {
                var head = client.head();
                assertTrue(head.startsWith("HTTP/1.1 101 "), head);
            }
        }
    }

    @Test
    void aClientCannotRemoveAHeaderOfTheAnswerBySendingTheSame() throws Exception {
        RouteFolder.in(folder)
                .route(
                        "framed",
                        "platform-http:/framed",
                        "setHeader: {name: X-Frame-Options, constant: DENY}",
                        "setHeader: {name: X-Count, constant: 2}",
                        "setBody: {constant: here}");
        try (var worker = RunningWorker.with(new MockGenerator(), folder)) {
            for (var query : List.of("", "?X-Frame-Options=DENY&x-count=2&X-Mine=1")) {
                var answer = RunningWorker.send(worker.request("/framed" + query)
                        .header("X-Frame-Options", "DENY")
                        .header("x-count", "2")
                        .header("X-Count", "2")
                        .header("X-Mine", "1")
                        .header("X-Empty", ""));
                assertEquals(List.of("DENY"), answer.headers().allValues("X-Frame-Options"));
                assertEquals(List.of("2"), answer.headers().allValues("X-Count"));
                assertEquals(List.of(), answer.headers().allValues("X-Mine"));
                assertEquals(List.of(), answer.headers().allValues("X-Empty"));
            }
        }
    }

    /// CVE-2026-85316: to Camel 4.22.0 any such name is a proxy that serves every path.
    @Test
    void aNameThatBeginsWithProxyIsNoProxy() throws Exception {
        try (var worker = worker("platform-http:proxyStats")) {
            assertTrue(
                    worker.routeFiles().problems().toString().contains("a path must begin with /"),
                    worker.routeFiles().problems().toString());
            assertEquals(404, worker.get("/anything").statusCode());
            assertEquals(200, worker.get("/ping").statusCode());
        }
        try (var worker = worker("platform-http:/proxyStats")) {
            assertEquals(404, worker.get("/anything").statusCode());
            assertTrue(worker.routeFiles().problems().isEmpty());
        }
    }

    /// CVE-2026-85312: this header names the saga that a route joins.
    @Test
    void noClientNamesTheSagaOfARoute() throws Exception {
        RouteFolder.in(folder)
                .route("saga", "platform-http:/saga", "setBody: {simple: 'saga=${header.Long-Running-Action}'}");
        try (var worker = RunningWorker.with(new MockGenerator(), folder)) {
            for (var name : List.of("Long-Running-Action", "long-running-ACTION")) {
                assertEquals(
                        "saga=",
                        RunningWorker.send(worker.request("/saga").header(name, "mine"))
                                .body());
                assertEquals(400, worker.get("/saga?" + name + "=mine").statusCode());
            }
        }
    }
}
