package dev.llmworker.serving.tools;

import static java.util.Objects.requireNonNull;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.ChatEvents;
import dev.llmworker.testing.LogLines;
import dev.llmworker.testing.RemoteWorker;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.ScriptedServer;
import dev.llmworker.text.answer.AnswerPart;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.apache.camel.Processor;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/// A client that leaves while a route runs that the model has called: the route is interrupted, and nothing is
/// generated any more.
@Timeout(180)
class ToolLeavingTest {
    private static final String CHAT = "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],"
            + "\"tools\":[{\"type\":\"route\",\"tags\":[\"orders\"]}]";

    /// How the client came.
    private enum Way {
        HTTP,
        WHOLE,
        STREAM,
        WEBSOCKET
    }

    /// What the client can do.
    private interface Visit {
        void leave() throws Exception;
    }

    @TempDir
    Path folder;

    private final CountDownLatch entered = new CountDownLatch(1);
    private final CountDownLatch interrupted = new CountDownLatch(1);
    private final CountDownLatch released = new CountDownLatch(1);
    private final ScriptedGenerator local = new ScriptedGenerator();
    private AutoCloseable started = () -> {};
    private @Nullable RunningWorker running;

    private RunningWorker worker() {
        return requireNonNull(running);
    }

    @AfterEach
    void stop() throws Exception {
        released.countDown();
        started.close();
    }

    private Map<String, String> environment() throws Exception {
        return Map.of("ROUTES", RouteFolder.in(folder).path().toString(), "ROUTE_TOOLS", "orders");
    }

    private void startLocal() throws Exception {
        var worker = new RunningWorker(local, environment());
        running = worker;
        started = worker;
        addRoutes();
    }

    private ScriptedServer startRemote() throws Exception {
        var server = new ScriptedServer();
        var remote = new RemoteWorker(environment(), server);
        started = () -> {
            remote.assertIdle();
            remote.close();
            server.close();
        };
        remote.awaitReady();
        running = remote.worker;
        addRoutes();
        return server;
    }

    private void addRoutes() throws Exception {
        worker().bind("hang", (Processor) _ -> hang(false));
        worker().bind("deaf", (Processor) _ -> hang(true));
        var step = "to: 'llm:generate?tools=orders'";
        var text = "convertBodyTo: {type: String}";
        RouteFolder.in(folder)
                .route("lookup", "'llm-tool:lookup?tags=orders'", "process: {ref: hang}")
                .route("deaf", "'llm-tool:deaf?tags=orders'", "process: {ref: deaf}")
                .route("step", "platform-http:/step", text, step)
                .route("agent", "vertx-websocket:/agent", text, step);
        worker().routeFiles().reload();
    }

    private void hang(boolean isDeaf) throws InterruptedException {
        entered.countDown();
        while (released.getCount() > 0) {
            try {
                released.await();
            } catch (InterruptedException e) {
                interrupted.countDown();
                if (!isDeaf) {
                    throw e;
                }
            }
        }
    }

    private Visit come(Way way) throws Exception {
        return switch (way) {
            case HTTP -> post("/step", "Where is it?");
            case WHOLE -> post("/v1/chat/completions", CHAT + "}");
            case STREAM -> post("/v1/chat/completions", CHAT + ",\"stream\":true}");
            case WEBSOCKET -> {
                var socket = worker().socket("/agent");
                socket.send("Where is it?");
                yield socket::close;
            }
        };
    }

    private Visit post(String path, String body) throws Exception {
        var connection = worker().raw();
        connection.send("POST " + path + " HTTP/1.1\r\nHost: w\r\nContent-Type: application/json\r\nContent-Length: "
                + body.length() + "\r\n\r\n" + body);
        return connection::reset;
    }

    private void callLocally(String tool) throws Exception {
        local.next()
                .emit(new AnswerPart.CallStart(0, "c", tool), new AnswerPart.CallArguments(0, "{}"))
                .finish(FinishReason.TOOL_CALLS);
    }

    /// @param exchanges those that still run: of a route that cannot be interrupted
    private void assertNothingIsLeft(int exchanges) {
        Await.until(
                "the exchanges are done",
                () -> worker().context().getInflightRepository().size() == exchanges);
        Await.until("nothing is held", () -> worker().port().memory().usedBytes() == 0);
        assertEquals(0, worker().stats.runningGenerations());
    }

    @ParameterizedTest
    @EnumSource(Way.class)
    void nothingGoesOnHere(Way way) throws Exception {
        startLocal();
        try (var log = new LogLines("dev.llmworker.Requests")) {
            var client = come(way);
            callLocally("lookup");
            entered.await();
            client.leave();
            interrupted.await();
            assertNothingIsLeft(0);
            assertTrue(local.hasNone());
            assertEquals(1, log.with("called ").size());
            assertTrue(log.with("called ").getFirst().contains("outcome=cancelled"), log.with("called ") + "");
        }
    }

    @ParameterizedTest
    @EnumSource(Way.class)
    void nothingGoesOnAtAnotherServer(Way way) throws Exception {
        var server = startRemote();
        server.answers((_, wire) -> {
            wire.stream()
                    .event(ChatEvents.of("{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\","
                            + "\"function\":{\"name\":\"lookup\",\"arguments\":\"{}\"}}]}}"));
            wire.end("tool_calls", 1, 1);
        });
        var client = come(way);
        server.next();
        entered.await();
        client.leave();
        interrupted.await();
        assertNothingIsLeft(0);
        assertTrue(server.requests.isEmpty());
    }

    @ParameterizedTest
    @ValueSource(strings = {"lookup", "deaf"})
    void theOtherCallsOfTheAnswerAreNotRun(String tool) throws Exception {
        startLocal();
        var client = come(Way.WHOLE);
        local.next()
                .emit(
                        new AnswerPart.CallStart(0, "a", tool),
                        new AnswerPart.CallArguments(0, "{}"),
                        new AnswerPart.CallStart(1, "b", "lookup"),
                        new AnswerPart.CallArguments(1, "{}"))
                .finish(FinishReason.TOOL_CALLS);
        entered.await();
        try (var log = new LogLines("dev.llmworker.Requests")) {
            client.leave();
            interrupted.await();
            assertNothingIsLeft(tool.equals("deaf") ? 1 : 0);
            assertEquals(1, log.with("called ").size());
        }
    }

    /// A client that cancels its request still gets an answer.
    @ParameterizedTest
    @EnumSource(
            value = Way.class,
            names = {"HTTP", "WHOLE", "STREAM"})
    void cancellingEndsTheRouteAndTheRequest(Way way) throws Exception {
        startLocal();
        var path = way == Way.HTTP ? "/step" : "/v1/chat/completions";
        var body = way == Way.HTTP ? "Where is it?" : CHAT + (way == Way.STREAM ? ",\"stream\":true}" : "}");
        var answer = RunningWorker.HTTP.sendAsync(
                worker().request(path)
                        .header("X-Request-Id", "the-id")
                        .POST(BodyPublishers.ofString(body))
                        .build(),
                BodyHandlers.ofString());
        callLocally("lookup");
        entered.await();
        // The id of the request that cancels is no hindrance, and it does not cancel itself.
        var cancel = worker().request("/v1/generations/the-id/cancel").header("X-Request-Id", "the-id");
        assertEquals(
                202, RunningWorker.send(cancel.POST(BodyPublishers.noBody())).statusCode());
        interrupted.await();
        assertEquals(
                way == Way.HTTP ? 499 : 200,
                answer.join().statusCode(),
                answer.join().body());
        assertNothingIsLeft(0);
        assertTrue(local.hasNone());
        assertEquals(0, worker().port().requests().count());
        assertEquals(
                404, RunningWorker.send(cancel.POST(BodyPublishers.noBody())).statusCode());
    }

    @Test
    void aRouteThatCannotBeInterruptedRunsOnAndNobodyWaitsForIt() throws Exception {
        startLocal();
        var client = come(Way.HTTP);
        callLocally("deaf");
        entered.await();
        client.leave();
        interrupted.await();
        assertNothingIsLeft(1);
        released.countDown();
        assertNothingIsLeft(0);
        assertTrue(local.hasNone());
    }
}
