package dev.llmworker.remote;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.Await;
import dev.llmworker.testing.RemoteWorker;
import dev.llmworker.testing.ScriptedServer;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// A client that leaves ends the work at the server, whenever it leaves and however it came.
class RemoteLeavingTest {
    private static final String CHAT = "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}";

    private ScriptedServer server;
    private RemoteWorker remote;

    @BeforeEach
    void start() throws Exception {
        server = new ScriptedServer();
        remote = RemoteWorker.before(server);
    }

    @AfterEach
    void stop() throws Exception {
        remote.assertIdle();
        remote.close();
        server.close();
    }

    private void leave(String path, String body) throws Exception {
        var connection = remote.worker.raw();
        connection.send("POST " + path + " HTTP/1.1\r\nHost: w\r\nContent-Type: application/json\r\nContent-Length: "
                + body.length() + "\r\n\r\n" + body);
        var request = server.next();
        connection.reset();
        request.awaitLeft();
        remote.assertIdle();
    }

    @Test
    void whileTheServerHasNotAnswered() throws Exception {
        server.answers((_, wire) -> wire.awaitLeft());
        leave("/generate", "{\"prompt\":\"a\"}");
        leave("/generate", "{\"prompt\":\"a\",\"stream\":true}");
        leave("/v1/chat/completions", CHAT);
        leave("/v1/chat/completions", CHAT.replace("]}", "],\"stream\":true}"));
    }

    @Test
    void whileItAnswers() throws Exception {
        server.answers((_, wire) -> wire.stream().delta("a").awaitLeft());
        leave("/generate", "{\"prompt\":\"a\"}");
        leave("/generate", "{\"prompt\":\"a\",\"stream\":true}");
        leave("/v1/chat/completions", CHAT);
        leave("/v1/chat/completions", CHAT.replace("]}", "],\"stream\":true}"));
        assertEquals(4, remote.worker.stats.requests());
    }

    @Test
    void onAWebSocket() throws Exception {
        server.answers((_, wire) -> wire.stream().delta("a").awaitLeft());
        var socket = remote.worker.socket("/ws");
        socket.send("{\"prompt\":\"a\"}");
        assertEquals("{\"token\":\"a\",\"index\":0}", socket.next());
        socket.close();
        server.next().awaitLeft();
    }

    @Test
    void aWorkerThatStopsLeavesToo() throws Exception {
        server.answers((_, wire) -> wire.stream().delta("a").awaitLeft());
        try (var socket = remote.worker.socket("/ws")) {
            socket.send("{\"prompt\":\"a\"}");
            socket.next();
            remote.generator.close();
            server.next().awaitLeft();
        }
    }

    @Test
    void aClientThatDoesNotReadMakesTheServerWait() throws Exception {
        var sent = new AtomicLong();
        var stopped = new CountDownLatch(1);
        var text = "x".repeat(50_000);
        server.answers((_, wire) -> {
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
        try (var connection = remote.worker.raw()) {
            connection.send("POST /generate HTTP/1.1\r\nHost: w\r\nContent-Type: application/json\r\nContent-Length: "
                    + body.length() + "\r\n\r\n" + body);
            assertTrue(connection.head().startsWith("HTTP/1.1 200"));
            // It stops: the count does not change any more, long before the end.
            var before = new AtomicLong(-1);
            var since = new AtomicLong(System.nanoTime());
            Await.until("the server waits", () -> {
                if (before.getAndSet(sent.get()) != sent.get()) {
                    since.set(System.nanoTime());
                }
                return System.nanoTime() - since.get() > 500_000_000L;
            });
            assertTrue(sent.get() < 5_000, sent + " events were taken");
            assertEquals(200, remote.worker.get("/ping").statusCode());
            connection.reset();
        }
        stopped.await();
    }
}
