package dev.llmworker.serving.port;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.ScoredToken;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.RawConnection;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.TestSocket;
import dev.llmworker.testing.WorkerExtension;
import dev.llmworker.text.answer.AnswerPart;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// What happens when all requests under way fill `MEMORY_BUDGET`.
class MemoryLimitTest {
    private static final int BUDGET_BYTES = 1 << 20;
    private static final String SHORT = "{\"prompt\":\"x\",\"max_tokens\":1}";

    private final ScriptedGenerator generator = new ScriptedGenerator();
    private final List<RawConnection> connections = new ArrayList<>();

    @RegisterExtension
    final WorkerExtension worker = WorkerExtension.of(generator).with("MEMORY_BUDGET", "" + BUDGET_BYTES);

    @AfterEach
    void close() throws Exception {
        for (var connection : connections) {
            connection.close();
        }
    }

    private RawConnection connect() throws Exception {
        var connection = worker.raw();
        connections.add(connection);
        return connection;
    }

    private long usedBytes() {
        return worker.port().memory().usedBytes();
    }

    private void awaitNothingIsHeld() {
        Await.until("nothing is held: " + usedBytes(), () -> usedBytes() == 0);
    }

    private RawConnection halfSent(String path, int bytes) throws Exception {
        return connect()
                .send("POST " + path + " HTTP/1.1\r\nHost: w\r\nContent-Length: 1000000\r\n\r\n" + " ".repeat(bytes));
    }

    @Test
    void halfSentBodiesHoldNoMoreThanTheBudget() throws Exception {
        for (var path : new String[] {"/generate", "/v1/chat/completions"}) {
            halfSent(path, 250_000);
        }
        Await.until("both are there", () -> usedBytes() == 1_000_000);
        // 24288 bytes of the budget are left, which is half as many of a body.
        var late = halfSent("/v1/completions", 40_000);
        var head = late.head();
        assertTrue(head.startsWith("HTTP/1.1 503 ") && head.contains("\r\nRetry-After: 1\r\n"), head);
        assertEquals(200, worker.get("/ping").statusCode());
        assertEquals(200, worker.get("/stats").statusCode());
        for (var connection : connections) {
            connection.close();
        }
        awaitNothingIsHeld();
        worker.post("/v1/completions", "{\"prompt\":3}");
        awaitNothingIsHeld();
    }

    @Test
    void chunkedBodiesCountToo() throws Exception {
        var chunk = "40000\r\n" + " ".repeat(0x40000) + "\r\n";
        var head = connect()
                .send("POST /generate HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + chunk
                        + chunk)
                .head();
        assertTrue(head.startsWith("HTTP/1.1 413 "), head);
        awaitNothingIsHeld();
    }

    @Test
    void aRequestThatNeedsMoreThanAllIsTooLarge() throws Exception {
        var nested = "[".repeat(60) + "]".repeat(60);
        var lists = "[" + (nested + ",").repeat(500) + nested + "]";
        var answer = worker.post("/generate", "{\"prompt\":\"x\",\"stop\":" + lists + "}");
        assertEquals(413, answer.statusCode(), answer.body());
        assertTrue(answer.body().contains("MEMORY_BUDGET"), answer.body());
        try (var socket = worker.socket("/ws")) {
            socket.send("{\"prompt\":\"x\",\"stop\":" + lists + "}");
            assertTrue(socket.next().contains("body_too_large"));
        }
        awaitNothingIsHeld();
    }

    /// Sixteen of these stopped the worker: the parsed body stayed until its generation ended.
    @Test
    void fieldsThatNobodyReadsAreNotBuilt() throws Exception {
        var nested = "[".repeat(60) + "]".repeat(60);
        var body = "{\"prompt\":\"x\",\"zzz\":[" + (nested + ",").repeat(500) + nested + "]}";
        for (var path : new String[] {"/generate", "/v1/completions"}) {
            var answer = CompletableFuture.supplyAsync(() -> status(path, body));
            var script = generator.next();
            assertEquals(2L * body.length(), usedBytes(), "while the generation runs, the text alone counts");
            script.finish(FinishReason.STOP);
            assertEquals(200, answer.get(), path);
            awaitNothingIsHeld();
        }
    }

    private int status(String path, String body) {
        try {
            return worker.post(path, body).statusCode();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void partsOfMessagesCount() throws Exception {
        halfSent("/generate", 500_000);
        Await.until("it is there", () -> usedBytes() == 1_000_000);
        // Half of a frame, and the first frame of a message.
        var frame = RawConnection.encoded(0x81, new byte[200_000]);
        assertEquals(
                1013,
                connect().upgrade("/ws").send(Arrays.copyOf(frame, 60_000)).closeCode());
        assertEquals(
                1013, connect().upgrade("/ws").frame(0x01, new byte[30_000]).closeCode());
        connections.forEach(MemoryLimitTest::reset);
        awaitNothingIsHeld();
    }

    private static void reset(RawConnection connection) {
        try {
            connection.reset();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void promptsThatWaitOnAWebSocketCountUntilTheyAreAnsweredOrTheirClientLeaves() throws Exception {
        var prompt = "{\"prompt\":\"" + "x".repeat(20_000) + "\"}";
        try (var socket = worker.socket("/ws")) {
            for (var i = 0; i < 4; i++) {
                socket.send(prompt);
            }
            Await.until("all wait", () -> usedBytes() == 8L * prompt.length());
            generator.next().finish(FinishReason.STOP);
            TestSocket.text(socket.answer());
            Await.until("three are left", () -> usedBytes() == 6L * prompt.length());
        }
        awaitNothingIsHeld();
    }

    @Test
    void whateverBecomesOfARequestItsMemoryIsGivenBack() throws Exception {
        for (var path : new String[] {"/generate", "/v1/completions", "/v1/chat/completions", "/stats", "/nothing"}) {
            for (var body : new String[] {"", "{", "[]", "{\"prompt\":3}", "{\"messages\":3}", "x".repeat(50_000)}) {
                worker.post(path, body);
            }
        }
        try (var socket = worker.socket("/ws")) {
            for (var frame : new String[] {"{", "[]", "{\"prompt\":3}", "{\"cancel\":3}", "x".repeat(50_000)}) {
                socket.send(frame);
                socket.next();
            }
        }
        generator.failure = new AssertionError("a bug");
        worker.post("/generate", SHORT);
        generator.failure = null;
        var left = connect();
        left.send("POST /generate HTTP/1.1\r\nHost: w\r\nContent-Length: " + SHORT.length() + "\r\n\r\n" + SHORT);
        var script = generator.next();
        left.reset();
        script.awaitClosed();
        awaitNothingIsHeld();
    }

    private CompletableFuture<HttpResponse<String>> posted(String path, String body) {
        return CompletableFuture.supplyAsync(() -> {
            try {
                return worker.post(path, body);
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        });
    }

    @Test
    void whatIsCollectedOfAnswersCounts() throws Exception {
        for (var path : List.of("/generate", "/v1/completions")) {
            var first = posted(path, SHORT);
            var served = generator.next().emit("x".repeat(BUDGET_BYTES / 8));
            Await.until("the text counts, and its copies", () -> usedBytes() >= BUDGET_BYTES / 2);
            var second = posted(path, SHORT);
            var ended = generator.next().emit("x".repeat(BUDGET_BYTES / 8));
            var refused = second.get();
            assertEquals(503, refused.statusCode(), refused.body());
            assertTrue(refused.body().contains("out_of_memory_budget"), refused.body());
            ended.awaitClosed();
            served.finish(FinishReason.STOP);
            assertEquals(200, first.get().statusCode());
            awaitNothingIsHeld();
        }
        var larger = posted("/generate", SHORT);
        generator.next().emit("x".repeat(BUDGET_BYTES));
        assertEquals(413, larger.get().statusCode());
        awaitNothingIsHeld();
    }

    @Test
    void eventsThatNobodyHasReadCount() throws Exception {
        try (var slow = worker.raw()) {
            slow.send(
                    "POST /generate HTTP/1.1\r\nHost: w\r\nContent-Length: 28\r\n\r\n{\"prompt\":\"x\",\"stream\":true}");
            var script = generator.next();
            // More than the buffers of the sockets take.
            while (usedBytes() < 16 * BUDGET_BYTES) {
                script.emit("x".repeat(10_000));
            }
            var refused = worker.post("/generate", SHORT);
            assertEquals(503, refused.statusCode(), "more fits once they are read");
        }
        awaitNothingIsHeld();
    }

    /// A template reads the JSON of tools and calls as objects, which are much larger than their text.
    @Test
    void toolsAndCallsCountWhileThePromptIsEncoded() throws Exception {
        var padding = "x".repeat(BUDGET_BYTES / 30);
        for (var field : List.of(
                "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"title\":\"%s\"}}}]",
                "\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\","
                        + "\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":\\\"%s\\\"}\"}}]}]")) {
            var messages = field.startsWith("\"tools") ? "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]," : "";
            var refused = posted("/v1/chat/completions", "{" + messages + field.formatted(padding) + "}")
                    .get(30, TimeUnit.SECONDS);
            assertEquals(413, refused.statusCode(), refused.body());
            assertTrue(refused.body().contains("MEMORY_BUDGET"), refused.body());
            var body = "{" + messages + field.formatted("x".repeat(1000)) + "}";
            var answer = posted("/v1/chat/completions", body);
            var script = generator.next();
            script.emit("x");
            Await.until("the text alone counts once it is encoded", () -> usedBytes() < 3L * body.length());
            script.finish(FinishReason.STOP);
            assertEquals(200, answer.get().statusCode());
            awaitNothingIsHeld();
        }
    }

    @Test
    void callsAndScoresThatAreCollectedCount() throws Exception {
        var answer = posted(
                "/v1/chat/completions",
                "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"logprobs\":true,"
                        + "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]}");
        var large = "x".repeat(BUDGET_BYTES / 16);
        var script = generator
                .next()
                .emit(new AnswerPart.CallStart(0, "c", "f"), new AnswerPart.CallArguments(0, "\"" + large + "\""));
        Await.until("the arguments count", () -> script.read.get() == 1 && usedBytes() >= BUDGET_BYTES / 4);
        script.emit("y", List.of(new ScoredToken(large, new byte[0], 0)));
        Await.until("the scores count, too", () -> script.read.get() == 2 && usedBytes() >= BUDGET_BYTES / 3);
        script.finish(FinishReason.STOP);
        assertEquals(200, answer.get().statusCode());
        awaitNothingIsHeld();
    }
}
