package dev.llmworker.routes;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.serving.camel.PortRouter;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.LogLines;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.TestWorker;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;
import org.apache.camel.impl.engine.DefaultUnitOfWork;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A file that is edited while it is served: at each moment one version of it serves, and what has begun goes on.
class LiveReloadTest {
    private static final int EDITS = 20;
    private static final String BROKEN = "- route:\n    from:\n      uri: platform-http:/live\n      steps:\n"
            + "        - process:\n            ref: nobody\n";

    @TempDir
    Path folder;

    private final ScriptedGenerator engine = new ScriptedGenerator();
    private final Gate gate = new Gate();
    private RunningWorker worker;
    private Path file;

    @BeforeEach
    void start() throws Exception {
        RouteFolder.in(folder);
        file = folder.resolve("live.camel.yaml");
        worker = new RunningWorker(engine, Map.of("ROUTES", folder.toString()));
        worker.bind("gate", gate);
    }

    @AfterEach
    void stop() {
        worker.close();
    }

    /// Holds the requests with the header `hold`.
    private static final class Gate implements Processor {
        final Semaphore reached = new Semaphore(0);
        final Semaphore open = new Semaphore(0);

        @Override
        public void process(Exchange exchange) {
            if (exchange.getMessage().getHeader("hold") != null) {
                reached.release();
                open.acquireUninterruptibly();
            }
        }
    }

    /// Several routes that depend on each other, one of a path with a parameter, one by `rest:`, and a WebSocket.
    private static String live(String version) {
        return """
                - route:
                    id: live
                    group: header:hold
                    startupOrder: 7
                    from:
                      uri: platform-http:/live
                      steps:
                        - process:
                            ref: gate
                        - to: direct:live-text
                        - setHeader:
                            name: version
                            constant: VERSION
                - route:
                    id: live-text
                    from:
                      uri: direct:live-text
                      steps:
                        - setBody:
                            id: text
                            constant: VERSION
                - route:
                    from:
                      uri: platform-http:/live/{id}
                      parameters:
                        httpMethodRestrict: POST
                      steps:
                        - setBody:
                            constant: VERSION
                - route:
                    from:
                      uri: rest:get:live-rest
                      steps:
                        - setBody:
                            constant: VERSION
                - route:
                    id: live-ws
                    from:
                      uri: vertx-websocket:/live-ws
                      steps:
                        - process:
                            ref: websocket
                """.replace("VERSION", version);
    }

    private void edit(String text) throws Exception {
        Files.writeString(file, text);
        worker.routeFiles().apply(Map.of(file, text));
    }

    private String problem() {
        return String.valueOf(worker.routeFiles().problems().get(file));
    }

    /// Asks again and again, on a thread of its own.
    private static final class Hammer implements AutoCloseable {
        final AtomicInteger asked = new AtomicInteger();
        final List<String> wrong = new ArrayList<>();
        private final AtomicBoolean stop = new AtomicBoolean();
        private final Thread thread;

        /// @param ask returns the number of the version that answered
        Hammer(Callable<String> ask, AtomicInteger oldest) {
            thread = Thread.ofPlatform().start(() -> {
                while (!stop.get()) {
                    var least = oldest.get();
                    try {
                        var answer = ask.call();
                        if (!answer.matches("200 \\d+") || Integer.parseInt(answer.substring(4)) < least) {
                            wrong.add(answer + " after " + least);
                        }
                    } catch (Exception e) {
                        wrong.add(e.toString());
                    }
                    asked.incrementAndGet();
                }
            });
        }

        void awaitMore() {
            var before = asked.get();
            Await.until("it is asked", () -> asked.get() > before);
        }

        @Override
        public void close() throws InterruptedException {
            stop.set(true);
            thread.join();
        }
    }

    private static String said(HttpResponse<String> answer) {
        return answer.statusCode() + " " + answer.body();
    }

    @Test
    void noRequestAndNoHandshakeFailsWhileTheFileIsEdited() throws Exception {
        edit(live("0"));
        assertEquals("null", problem());
        var oldest = new AtomicInteger();
        try (var log = new LogLines("dev.llmworker.Worker");
                var get = new Hammer(() -> said(worker.get("/live")), oldest);
                var post = new Hammer(() -> said(worker.post("/live/7", "{}")), oldest);
                var rest = new Hammer(() -> said(worker.get("/live-rest")), oldest);
                var handshakes = new Hammer(
                        () -> {
                            worker.socket("/live-ws").close();
                            return "200 " + EDITS;
                        },
                        oldest)) {
            var hammers = List.of(get, post, rest, handshakes);
            for (var i = 1; i <= EDITS; i++) {
                if (i % 5 == 0) {
                    edit(BROKEN);
                    assertTrue(problem().contains("nobody"), problem());
                    hammers.forEach(Hammer::awaitMore);
                }
                edit(live("" + i));
                assertEquals("null", problem());
                // From now on no older version may answer.
                oldest.set(i);
                hammers.forEach(Hammer::awaitMore);
            }
            for (var hammer : hammers) {
                hammer.close();
                assertEquals(List.of(), hammer.wrong);
            }
            // Each edit that cannot start is one line.
            assertEquals(
                    EDITS / 5,
                    log.with("No bean could be found in the registry for: nobody")
                            .size());
        }
        Await.until("the old versions are stopped", () -> mounted("/live") == 1 && mounted("/live-ws") == 3);
    }

    private long mounted(String path) {
        var router = worker.context().getRegistry().lookupByNameAndType(PortRouter.NAME, PortRouter.class);
        return Objects.requireNonNull(router).getRoutes().stream()
                .filter(route -> path.equals(route.getPath()))
                .count();
    }

    @Test
    void whatRunsInAnOldVersionEndsThereWhateverBecomesOfTheFile() throws Exception {
        edit(live("0"));
        var held = TestWorker.HTTP.sendAsync(
                worker.request("/live").header("hold", "yes").build(), HttpResponse.BodyHandlers.ofString());
        gate.reached.acquire();
        edit(live("1"));
        assertEquals("200 1", said(worker.get("/live")));
        edit(BROKEN);
        assertEquals("200 1", said(worker.get("/live")));
        Files.delete(file);
        worker.routeFiles().apply(Map.of());
        assertEquals(404, worker.get("/live").statusCode());
        edit(live("2"));
        assertEquals("200 2", said(worker.get("/live")));
        assertFalse(held.isDone());
        gate.open.release();
        var answer = held.join();
        assertEquals(200, answer.statusCode());
        assertEquals("0", answer.headers().firstValue("version").orElse(""));
        Await.until("the old versions are stopped", () -> mounted("/live") == 1);
    }

    @Test
    void aRequestWhoseBodyComesSlowlyIsAnsweredByTheNewVersion() throws Exception {
        edit(live("0"));
        try (var slow = worker.raw()) {
            slow.send("POST /live/7 HTTP/1.1\r\nHost: worker\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{");
            // It is on the way to the old version when that is replaced.
            worker.get("/live");
            edit(live("1"));
            Await.until("the old version is stopped", () -> mounted("/live/:id") == 1);
            slow.send("}");
            var answer = slow.rest();
            assertTrue(answer.startsWith("HTTP/1.1 200 ") && answer.endsWith("\r\n\r\n1"), answer);
        }
    }

    @Test
    void aWebSocketAndItsPromptsOutlastTheVersionOfItsRoute() throws Exception {
        edit(live("0"));
        try (var socket = worker.socket("/live-ws")) {
            socket.send("{\"prompt\":\"a\"}");
            var first = engine.next().emit("t");
            assertEquals("{\"token\":\"t\",\"index\":0}", socket.next());
            edit(live("1"));
            edit(live("2"));
            first.emit("u").finish(FinishReason.STOP);
            assertEquals("{\"token\":\"u\",\"index\":1}", socket.next());
            assertEquals("{\"done\":true,\"total_tokens\":2}", socket.next());
            socket.send("{\"prompt\":\"b\"}");
            var second = engine.next().emit("v");
            assertEquals("{\"token\":\"v\",\"index\":0}", socket.next());
            // A version after the first routes messages only, too, unless it asks for events.
            try (var later = worker.socket("/live-ws")) {
                later.send("{\"prompt\":\"c\"}");
                engine.next().emit("w").finish(FinishReason.STOP);
                assertEquals("{\"token\":\"w\",\"index\":0}", later.next());
            }
            // The route is gone. What was asked is answered first.
            edit(live("3").replace("vertx-websocket:/live-ws", "direct:nothing"));
            second.finish(FinishReason.STOP);
            assertEquals("{\"done\":true,\"total_tokens\":1}", socket.next());
            assertEquals(1012, socket.closeCode());
            assertEquals(404, worker.get("/live-ws").statusCode());
        }
    }

    @Test
    void whatAnOldVersionAllowedDoesNotOutlastIt() throws Exception {
        worker.close();
        var settings = Map.of("ROUTES", folder.toString(), "API_KEYS", "a-key-that-nobody-sends");
        worker = new RunningWorker(engine, settings);
        worker.bind("gate", gate);
        var open = live("0").replace("group: header:hold", "group: keyless header:hold");
        edit(open);
        var held = TestWorker.HTTP.sendAsync(
                worker.request("/live").header("hold", "yes").build(), HttpResponse.BodyHandlers.ofString());
        gate.reached.acquire();
        edit(live("1"));
        assertEquals(401, worker.get("/live").statusCode());
        edit(BROKEN.replace("- route:\n", "- route:\n    group: keyless\n"));
        assertEquals(401, worker.get("/live").statusCode());
        edit(open);
        assertEquals("200 0", said(worker.get("/live")));
        gate.open.release();
        assertEquals(200, held.join().statusCode());
        assertEquals("200 0", said(worker.get("/live")));
    }

    @Test
    void aSuspendedRouteIsUnavailableAndSaysSoAsJson() throws Exception {
        edit(live("0"));
        worker.context().getRouteController().suspendRoute("live");
        var answer = worker.get("/live");
        assertEquals(503, answer.statusCode());
        assertTrue(answer.body().contains("\"code\":\""), answer.body());
        worker.context().getRouteController().resumeRoute("live");
        assertEquals("200 0", said(worker.get("/live")));
    }

    @Test
    void filesWithWebSocketsAreReloadedOneAfterTheOther() throws Exception {
        edit(live("0"));
        var ws = folder.resolve("ws.camel.yaml");
        var text = Files.readString(ws);
        for (var i = 1; i <= 2; i++) {
            edit(live("" + i));
            Files.writeString(ws, text + "# " + i + "\n");
            worker.routeFiles().apply(Map.of(ws, text + "# " + i + "\n"));
            assertEquals(Map.of(), worker.routeFiles().problems());
            worker.socket("/ws").close();
            worker.socket("/live-ws").close();
        }
        Files.delete(file);
        worker.routeFiles().apply(Map.of());
        assertEquals(404, worker.get("/live-ws").statusCode());
        worker.socket("/ws").close();
    }

    @Test
    void aSocketWhoseRouteGoesWhileItOpensIsClosed() throws Exception {
        edit(live("0"));
        var reached = new Semaphore(0);
        var open = new Semaphore(0);
        var router = worker.context().getRegistry().lookupByNameAndType(PortRouter.NAME, PortRouter.class);
        Objects.requireNonNull(router)
                .route("/live-ws")
                .order(Integer.MIN_VALUE + 1)
                .handler(request -> {
                    reached.release();
                    open.acquireUninterruptibly();
                    request.next();
                });
        var opened = CompletableFuture.supplyAsync(() -> worker.socket("/live-ws"));
        reached.acquire();
        edit(live("1").replace("vertx-websocket:/live-ws", "direct:nothing"));
        open.release();
        try (var socket = opened.get()) {
            assertEquals(1012, socket.closeCode());
        }
    }

    /// Otherwise the version would be stopped while another request runs in it.
    @Test
    void aRequestWhoseEndFailsEndsOnce() throws Exception {
        edit(live("0"));
        worker.bind("gate", (Processor) exchange -> {
            gate.process(exchange);
            if (exchange.getMessage().getHeader("hold") == null) {
                exchange.getExchangeExtension().setUnitOfWork(new DefaultUnitOfWork(exchange) {
                    @Override
                    public void done(Exchange ended) {
                        throw new AssertionError("of a test");
                    }
                });
                // No error handler takes it, so the port answers, and ends the request, on this thread.
                throw new AssertionError("of a test");
            }
        });
        edit(live("1"));
        var held = TestWorker.HTTP.sendAsync(
                worker.request("/live").header("hold", "yes").build(), HttpResponse.BodyHandlers.ofString());
        gate.reached.acquire();
        worker.get("/live");
        edit(live("2"));
        assertEquals(2, mounted("/live"), "the version of the request that is held, and the new one");
        gate.open.release();
        assertEquals("1", held.join().headers().firstValue("version").orElse(""));
        Await.until("the old version is stopped", () -> mounted("/live") == 1);
    }
}
