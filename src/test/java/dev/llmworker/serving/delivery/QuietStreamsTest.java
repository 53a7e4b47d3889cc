package dev.llmworker.serving.delivery;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.ManualClock;
import dev.llmworker.testing.RawConnection;
import dev.llmworker.testing.RemoteWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.ScriptedServer;
import dev.llmworker.testing.TestWorker;
import dev.llmworker.testing.WorkerExtension;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Iterator;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A stream on which nothing comes says every 15 s that it is still there.
@Timeout(180)
class QuietStreamsTest {
    private static final String COMMENT = ": keep-alive";
    private static final Duration LIMIT = Duration.ofSeconds(15);
    private static final String CHAT = "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"stream\":true}";

    private final ManualClock clock = new ManualClock();
    private final ScriptedGenerator engine = new ScriptedGenerator();

    @RegisterExtension
    final WorkerExtension worker = WorkerExtension.of(engine).with(clock);

    private void assertComment(Iterator<String> lines) {
        clock.advance(LIMIT);
        assertEquals(COMMENT, lines.next());
        assertEquals("", lines.next());
    }

    private static void assertEvent(String data, Iterator<String> lines) {
        assertEquals("data: " + data, lines.next());
        assertEquals("", lines.next());
    }

    @ParameterizedTest
    @ValueSource(strings = {"/generate", "/v1/chat/completions"})
    void aStreamIsNeverSilentBeforeItsFirstTokenAndBetweenTokens(String path) throws Exception {
        var response =
                Events.open(worker, path, path.equals("/generate") ? "{\"prompt\":\"x\",\"stream\":true}" : CHAT);
        var script = engine.next();
        var lines = response.body().iterator();
        if (path.startsWith("/v1/")) {
            assertTrue(lines.next().contains("\"role\":\"assistant\""));
            lines.next();
        }
        for (var times = 0; times < 3; times++) {
            assertComment(lines);
        }
        script.emit("a");
        assertTrue(lines.next().contains("\"a\""));
        lines.next();
        assertComment(lines);
        script.finish(FinishReason.STOP);
        while (lines.hasNext()) {
            var line = lines.next();
            assertTrue(line.isEmpty() || line.startsWith("data: "), line);
        }
    }

    @Test
    void aStreamThatIsNotSilentSaysNothingMore() throws Exception {
        var response = Events.open(worker, "/generate", "{\"prompt\":\"x\",\"stream\":true}");
        var script = engine.next();
        var lines = response.body().iterator();
        for (var i = 0; i < 5; i++) {
            clock.advance(Duration.ofSeconds(10));
            script.emit("a");
            assertEvent("{\"token\":\"a\",\"index\":" + i + "}", lines);
        }
        script.finish(FinishReason.STOP);
        assertEvent("{\"done\":true,\"total_tokens\":5}", lines);
    }

    @Test
    void aSilentStreamOfAnOldClientGetsTheSame() throws Exception {
        var body = "{\"prompt\":\"x\",\"stream\":true}";
        try (var client =
                worker.raw().send("POST /generate HTTP/1.0\r\nContent-Length: " + body.length() + "\r\n\r\n" + body)) {
            var script = engine.next();
            client.head();
            clock.advance(LIMIT);
            client.skip((COMMENT + "\n\n").length());
            script.finish(FinishReason.STOP);
            assertEquals("data: {\"done\":true,\"total_tokens\":0}\n\n", client.rest());
        }
    }

    @Test
    void webSocketsGetNoCommentAndNoFrame() throws Exception {
        try (var socket = worker.socket("/ws")) {
            socket.send("{\"prompt\":\"x\"}");
            var script = engine.next();
            clock.advance(LIMIT.multipliedBy(2));
            script.emit("a").finish(FinishReason.STOP);
            assertEquals("{\"token\":\"a\",\"index\":0}", socket.next());
            assertEquals("{\"done\":true,\"total_tokens\":1}", socket.next());
        }
    }

    /// By HTTP/1.0, so that no chunks stand between the events.
    private static RawConnection chat(TestWorker worker) throws Exception {
        return worker.raw()
                .send("POST /v1/chat/completions HTTP/1.0\r\nContent-Length: " + CHAT.length() + "\r\n\r\n" + CHAT);
    }

    private static String event(RawConnection client) throws IOException {
        var event = new StringBuilder();
        while (event.indexOf("\n\n") < 0) {
            event.append((char) client.readByte());
        }
        return event.toString();
    }

    @Test
    void aRelayedStreamBeginsBeforeTheServerAnswersAndItsSilencesAreFilled() throws Exception {
        try (var server = new ScriptedServer();
                var remote = new RemoteWorker(Map.of(), _ -> clock, server)) {
            remote.awaitReady();
            var accepts = new CountDownLatch(1);
            var goesOn = new CountDownLatch(1);
            server.answers((_, wire) -> {
                accepts.await();
                // The comments of the server are its own.
                wire.stream().chunk(": theirs\n\n".getBytes(StandardCharsets.UTF_8));
                wire.delta("a");
                goesOn.await();
                wire.end("stop", 1, 1);
            });
            try (var client = chat(remote.worker)) {
                server.next();
                clock.advance(LIMIT);
                assertTrue(client.head().contains(" 200 "));
                assertEquals(COMMENT + "\n\n", event(client));
                accepts.countDown();
                assertTrue(event(client).contains("\"a\""));
                clock.advance(LIMIT);
                assertEquals(COMMENT + "\n\n", event(client));
                goesOn.countDown();
                var rest = client.rest();
                assertTrue(rest.endsWith("data: [DONE]\n\n") && !rest.contains("\n:"), rest);
            }
            remote.assertIdle();
        }
    }

    @Test
    void whatIsRefusedLateIsToldInTheStream() throws Exception {
        try (var server = new ScriptedServer();
                var remote = new RemoteWorker(Map.of(), _ -> clock, server)) {
            remote.awaitReady();
            var answers = new CountDownLatch(1);
            server.answers((_, wire) -> {
                answers.await();
                wire.json(400, "{\"error\":{\"message\":\"it is too long\",\"code\":400}}");
            });
            try (var client = chat(remote.worker)) {
                server.next();
                clock.advance(LIMIT);
                client.head();
                assertEquals(COMMENT + "\n\n", event(client));
                answers.countDown();
                var error = event(client);
                assertTrue(error.startsWith("data: {\"error\":{\"message\":\"it is too long\""), error);
                assertEquals("", client.rest().replace("data: [DONE]\n\n", ""));
            }
            remote.assertIdle();
        }
    }
}
