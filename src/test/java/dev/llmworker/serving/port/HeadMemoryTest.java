package dev.llmworker.serving.port;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.serving.camel.PortRouter;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.RawConnection;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.WorkerExtension;
import io.vertx.ext.web.RoutingContext;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// Sixteen kilobytes of short headers are half a megabyte of memory. They count against `MEMORY_BUDGET`.
class HeadMemoryTest {
    private static final int BUDGET_BYTES = 1 << 20;
    private static final String HEADERS = "a:\r\n".repeat(3000);
    /// What these headers take at least.
    private static final int BYTES = 400_000;

    private static final String TARGET = "/ws?" + "a".repeat(12_000);

    private final ScriptedGenerator generator = new ScriptedGenerator();
    private final List<RawConnection> connections = new ArrayList<>();

    @RegisterExtension
    final WorkerExtension worker = WorkerExtension.of(generator).with("MEMORY_BUDGET", "" + BUDGET_BYTES);

    @AfterEach
    void nothingIsHeldAfterwards() throws Exception {
        for (var connection : connections) {
            connection.close();
        }
        awaitUsed(0, 0);
    }

    private RawConnection send(String text) throws Exception {
        var connection = worker.raw();
        connections.add(connection);
        return connection.send(text);
    }

    private void awaitUsed(long least, long most) {
        var memory = worker.port().memory();
        Await.until(
                least + " to " + most + " bytes are held: " + memory.usedBytes(),
                () -> memory.usedBytes() >= least && memory.usedBytes() <= most);
    }

    @Test
    void halfSentHeadsHoldNoMoreThanTheBudget() throws Exception {
        var half = "GET /stats HTTP/1.1\r\nHost: w\r\n" + HEADERS;
        send(half);
        send(half);
        awaitUsed(2 * BYTES, BUDGET_BYTES);
        var head = send(half).head();
        assertTrue(head.startsWith("HTTP/1.0 503 ") && head.contains("\r\nRetry-After: 1\r\n"), head);
        head = send(half + "\r\n").head();
        assertTrue(head.startsWith("HTTP/1.0 503 "), head);
        assertEquals(200, worker.get("/ping").statusCode());
    }

    /// It would fit if it were alone, so the client may try again.
    @Test
    void aHeadThatArrivesInPiecesIsNotCountedTwice() throws Exception {
        send("GET /stats HTTP/1.1\r\nHost: w\r\n" + HEADERS);
        awaitUsed(BYTES, BUDGET_BYTES);
        var held = worker.port().memory().usedBytes();
        var second = send("GET /stats HTTP/1.1\r\nHost: w\r\n" + HEADERS);
        awaitUsed(held + BYTES, BUDGET_BYTES);
        var head = second.send("b:\r\n".repeat(900)).head();
        assertTrue(head.startsWith("HTTP/1.0 503 ") && head.contains("\r\nRetry-After: 1\r\n"), head);
    }

    @Test
    void aHeadCountsUntilItsRequestIsAnswered() throws Exception {
        var body = "{\"prompt\":\"x\"}";
        var client = send("POST /generate HTTP/1.1\r\nHost: w\r\nContent-Length: " + body.length() + "\r\n" + HEADERS
                + "\r\n" + body);
        var script = generator.next();
        awaitUsed(BYTES, BUDGET_BYTES);
        script.finish(FinishReason.STOP);
        assertTrue(client.head().startsWith("HTTP/1.1 200 "));
        awaitUsed(0, 0);
        // An answer may come before the whole body does.
        send("POST /no HTTP/1.1\r\nHost: w\r\nContent-Length: 9\r\n" + HEADERS + "\r\n")
                .head();
        connections
                .getLast()
                .send("123456789GET /ping HTTP/1.1\r\nHost: w\r\n\r\n")
                .head();
        awaitUsed(0, 0);
    }

    @Test
    void trailersCount() throws Exception {
        var half = "POST /generate HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n" + HEADERS;
        send(half);
        send(half);
        awaitUsed(2 * BYTES, BUDGET_BYTES);
        // Its body is passed on already.
        assertEquals("", send(half).rest());
    }

    @Test
    void theSizesOfChunksDoNotHeapUp() throws Exception {
        var chunks = "1\r\n \r\n".repeat(10_000);
        var head = send("POST /generate HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
                        + "0\r\n\r\n")
                .head();
        assertTrue(head.startsWith("HTTP/1.1 400 "), head);
    }

    @Test
    void aWebSocketKeepsNothingOfItsHandshakeThatDoesNotCount() throws Exception {
        var routing = new CompletableFuture<RoutingContext>();
        var router = worker.context().getRegistry().lookupByNameAndType(PortRouter.NAME, PortRouter.class);
        var gate = Objects.requireNonNull(router).route("/ws").order(Integer.MIN_VALUE + 1);
        gate.handler(request -> {
            routing.complete(request);
            request.next();
        });
        connections.add(worker.raw().upgrade(TARGET));
        awaitUsed(4L * TARGET.length() - (16 << 10), BUDGET_BYTES);
        var request = routing.get(150, TimeUnit.SECONDS).request();
        assertTrue(request.headers().isEmpty());
        assertTrue(request.params().isEmpty());
        gate.remove();
    }
}
