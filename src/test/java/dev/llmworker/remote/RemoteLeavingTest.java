package dev.llmworker.remote;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.Await;
import dev.llmworker.testing.RemoteExtension;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// A client that leaves ends the work at the server, whenever it leaves and however it came.
class RemoteLeavingTest {
    private static final int QUIET_ROUNDS = 50;
    private static final String CHAT = "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}";

    @RegisterExtension
    final RemoteExtension remote = new RemoteExtension();

    private void leave(String path, String body) throws Exception {
        var connection = remote.worker().raw();
        connection.send("POST " + path + " HTTP/1.1\r\nHost: w\r\nContent-Type: application/json\r\nContent-Length: "
                + body.length() + "\r\n\r\n" + body);
        var request = remote.server().next();
        connection.reset();
        request.awaitLeft();
        remote.assertIdle();
    }

    @Test
    void whileTheServerHasNotAnswered() throws Exception {
        remote.server().answers((_, wire) -> wire.awaitLeft());
        leave("/generate", "{\"prompt\":\"a\"}");
        leave("/generate", "{\"prompt\":\"a\",\"stream\":true}");
        leave("/v1/chat/completions", CHAT);
        leave("/v1/chat/completions", CHAT.replace("]}", "],\"stream\":true}"));
    }

    @Test
    void whileItAnswers() throws Exception {
        remote.server().answers((_, wire) -> wire.stream().delta("a").awaitLeft());
        leave("/generate", "{\"prompt\":\"a\"}");
        leave("/generate", "{\"prompt\":\"a\",\"stream\":true}");
        leave("/v1/chat/completions", CHAT);
        leave("/v1/chat/completions", CHAT.replace("]}", "],\"stream\":true}"));
        assertEquals(4, remote.worker().stats.requests());
    }

    @Test
    void onAWebSocket() throws Exception {
        remote.server().answers((_, wire) -> wire.stream().delta("a").awaitLeft());
        var socket = remote.worker().socket("/ws");
        socket.send("{\"prompt\":\"a\"}");
        assertEquals("{\"token\":\"a\",\"index\":0}", socket.next());
        socket.close();
        remote.server().next().awaitLeft();
    }

    @Test
    void aWorkerThatStopsLeavesToo() throws Exception {
        remote.server().answers((_, wire) -> wire.stream().delta("a").awaitLeft());
        try (var socket = remote.worker().socket("/ws")) {
            socket.send("{\"prompt\":\"a\"}");
            socket.next();
            remote.generator().close();
            remote.server().next().awaitLeft();
        }
    }

    @Test
    void aClientThatDoesNotReadMakesTheServerWait() throws Exception {
        var sent = new AtomicLong();
        var stopped = new CountDownLatch(1);
        var writer = new CompletableFuture<Thread>();
        var text = "x".repeat(50_000);
        remote.server().answers((_, wire) -> {
            writer.complete(Thread.currentThread());
            wire.stream();
            try {
                // Far more than all buffers on the way hold.
                while (sent.incrementAndGet() < 20_000) {
                    wire.delta(text);
                }
            } finally {
                stopped.countDown();
            }
        });
        var body = "{\"prompt\":\"a\",\"stream\":true}";
        try (var connection = remote.worker().raw()) {
            connection.send("POST /generate HTTP/1.1\r\nHost: w\r\nContent-Type: application/json\r\nContent-Length: "
                    + body.length() + "\r\n\r\n" + body);
            assertTrue(connection.head().startsWith("HTTP/1.1 200"));
            // It stops long before the end: it is parked in a write, and the worker does not read though it could.
            Await.until("the server waits", () -> {
                var before = sent.get();
                for (var round = 0; round < QUIET_ROUNDS; round++) {
                    remote.turnEventLoops();
                }
                return before > 0 && before == sent.get() && writer.join().getState() == Thread.State.WAITING;
            });
            assertTrue(sent.get() < 5_000, sent + " events were taken");
            assertEquals(200, remote.worker().get("/ping").statusCode());
            connection.reset();
        }
        stopped.await();
    }
}
