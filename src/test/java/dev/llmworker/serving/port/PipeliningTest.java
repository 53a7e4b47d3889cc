package dev.llmworker.serving.port;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.EventLoops;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.WorkerExtension;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What clients send ahead, while a request of theirs is being answered.
class PipeliningTest {
    private static final String BODY = "{\"prompt\":\"x\",\"stream\":true}";
    private static final String POST =
            "POST /generate HTTP/1.1\r\nHost: worker\r\nContent-Length: " + BODY.length() + "\r\n\r\n";

    private static final ByteBuffer MANY_PINGS = bytes("GET /ping HTTP/1.1\r\nHost: worker\r\n\r\n".repeat(1 << 14));
    private static final long MAX_AHEAD_BYTES = 256 << 20;
    private static final int QUIET_ROUNDS = 50;

    private final ScriptedGenerator engine = new ScriptedGenerator();

    @RegisterExtension
    final WorkerExtension worker = WorkerExtension.of(engine);

    @ParameterizedTest
    @ValueSource(
            strings = {
                "GET /ping HTTP/1.1\r\nHost: worker\r\n\r\n",
                "POST /generate HTTP/1.1\r\nHost: worker\r\nContent-Length: 100\r\n\r\nhalf",
                "GET /ping HTTP/1.1\r\nHost: wor",
                "no HTTP at all\r\n\r\n",
            })
    void aClientThatLeavesEndsItsGenerationWhateverItSentAhead(String ahead) throws Exception {
        for (var reset : new boolean[] {true, false}) {
            var client = worker.raw().send(POST + BODY);
            var script = engine.next();
            script.endless();
            client.head();
            client.send(ahead);
            if (reset) {
                client.reset();
            } else {
                client.close();
            }
            script.awaitClosed();
        }
        Await.until("both are over", () -> worker.stats.runningGenerations() == 0);
    }

    @Test
    void requestsSentAheadAreAnsweredInTheirOrderAndOneAtATime() throws Exception {
        try (var client = worker.raw().send((POST + BODY).repeat(3))) {
            for (var i = 0; i < 3; i++) {
                var script = engine.next();
                assertTrue(engine.hasNone(), "the next request was begun before this one was answered");
                script.emit("answer " + i).finish(FinishReason.STOP);
                assertTrue(client.head().startsWith("HTTP/1.1 200 "));
                // To the chunk that ends it.
                assertTrue(client.head().contains("answer " + i));
            }
        }
    }

    @Test
    void anAnswerBeforeTheBodyIsThereLeavesTheConnectionForTheNextRequest() throws Exception {
        try (var client = worker.raw()) {
            for (var i = 0; i < 3; i++) {
                client.send("POST /nope HTTP/1.1\r\nHost: worker\r\nContent-Length: 8\r\n\r\nhalf");
                assertTrue(client.head().startsWith("HTTP/1.1 404 "));
                client.skip("{\"error\":\"nothing is served at /nope\",\"code\":\"not_found\"}".length());
                client.send("half");
            }
            client.send("HEAD /ping HTTP/1.1\r\nHost: worker\r\n\r\n");
            assertTrue(client.head().startsWith("HTTP/1.1 200 "));
        }
    }

    @Test
    void whatIsSentAheadIsNotReadWithoutBounds() throws Exception {
        try (var client = connect()) {
            client.write(bytes(POST + BODY));
            var script = engine.next();
            client.configureBlocking(false);
            assertStopsReading(client);
            script.finish(FinishReason.STOP);
            assertReadsOn(client);
        }
    }

    @Test
    void answersThatNobodyReadsDoNotHeapUp() throws Exception {
        try (var client = connect()) {
            client.configureBlocking(false);
            assertStopsReading(client);
            assertReadsOn(client);
        }
    }

    private SocketChannel connect() throws IOException {
        return SocketChannel.open(new InetSocketAddress(
                InetAddress.getLoopbackAddress(), worker.port().port()));
    }

    private static ByteBuffer bytes(String text) {
        return ByteBuffer.wrap(text.getBytes(StandardCharsets.US_ASCII));
    }

    /// Sends requests until none is taken any more.
    private void assertStopsReading(SocketChannel client) throws IOException {
        var sent = 0L;
        for (var quiet = 0; quiet < QUIET_ROUNDS; quiet++) {
            var written = client.write(MANY_PINGS.duplicate());
            if (written > 0) {
                sent += written;
                quiet = 0;
            } else {
                EventLoops.turn(worker.port().vertx());
            }
            // The kernel's own buffers hold far less.
            assertTrue(sent < MAX_AHEAD_BYTES, "the worker took " + sent + " bytes");
        }
    }

    private static void assertReadsOn(SocketChannel client) {
        Await.until("it reads on", () -> {
            try {
                client.read(ByteBuffer.allocate(1 << 16));
                return client.write(MANY_PINGS.duplicate()) > 0;
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
    }
}
