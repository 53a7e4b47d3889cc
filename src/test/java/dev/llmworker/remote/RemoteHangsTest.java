package dev.llmworker.remote;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.Concurrent;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.RemoteExtension;
import dev.llmworker.testing.ScriptedServer;
import dev.llmworker.testing.TestSocket;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A server that stops answering: the deadline of each request ends it, and nothing else.
class RemoteHangsTest {
    private static final String CHAT = "/v1/chat/completions";
    private static final String PROMPT = "{\"prompt\":\"a\"}";
    private static final String MESSAGES = "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]%s}";

    @RegisterExtension
    final RemoteExtension remote = new RemoteExtension(Map.of("REQUEST_TIMEOUT", "3"));

    @AfterEach
    void itIsStillHealthy() throws Exception {
        assertEquals(200, remote.worker().get("/ping").statusCode());
    }

    private static String last(String events) {
        var lines = events.strip().lines().toList();
        return lines.getLast().replaceFirst("^data: ", "");
    }

    @Concurrent
    @Test
    void aServerThatHangsIsLeftAtTheDeadline() throws Exception {
        remote.server().answers((_, wire) -> wire.awaitLeft());
        var answer = remote.worker().post("/generate", "{\"prompt\":\"a\",\"details\":true}");
        assertEquals("timeout", Events.json(answer.body()).get("finish_reason").asText());
        remote.server().next().awaitLeft();
    }

    @Concurrent
    @Test
    void aServerThatHangsIsAnErrorOfOpenAi() throws Exception {
        remote.server().answers((_, wire) -> wire.awaitLeft());
        assertEquals(504, remote.worker().post(CHAT, MESSAGES.formatted("")).statusCode());
    }

    @Concurrent
    @Test
    void aServerThatHangsIsTheLastEventOfOpenAi() throws Exception {
        remote.server().answers((_, wire) -> wire.awaitLeft());
        var events = remote.worker()
                .post(CHAT, MESSAGES.formatted(",\"stream\":true"))
                .body();
        assertTrue(last(events).contains("\"code\":\"timeout\""), events);
    }

    @Concurrent
    @Test
    void aStreamThatHangsIsEndedAtTheDeadline() throws Exception {
        remote.server().answers((_, wire) -> wire.stream().delta("a").awaitLeft());
        var body = remote.worker()
                .post("/generate", "{\"prompt\":\"a\",\"details\":true,\"stream\":true}")
                .body();
        assertTrue(last(body).contains("\"finish_reason\":\"timeout\""), body);
        remote.server().next().awaitLeft();
    }

    /// Before the answer's head, before its first token, or after it.
    @Concurrent
    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2})
    void aHangEndsTheWebSocketsGenerationAndNotTheWebSocket(int written) throws Exception {
        remote.server().answers((request, wire) -> {
            if (request.body().toString().contains("hang")) {
                hang(written, wire);
            }
            wire.stream().delta("b").end("stop", 1, 1);
        });
        try (var socket = remote.worker().socket("/ws")) {
            socket.send("{\"prompt\":\"hang\",\"details\":true}").send(PROMPT);
            var done = socket.answer().getLast();
            assertEquals("timeout", done.path("finish_reason").asText(), done.toString());
            remote.server().next().awaitLeft();
            // The next one has waited for it, and is answered.
            assertEquals("b", TestSocket.text(socket.answer()));
        }
    }

    private static void hang(int written, ScriptedServer.Wire wire) throws Exception {
        if (written > 0) {
            wire.stream();
        }
        if (written > 1) {
            wire.delta("a");
        }
        wire.awaitLeft();
    }

    @Concurrent
    @Test
    void oneOfSeveralOnAWebSocketHangsAlone() throws Exception {
        remote.server().answers((request, wire) -> {
            if (request.body().toString().contains("hang")) {
                wire.awaitLeft();
            }
            wire.stream().delta("b").end("stop", 1, 1);
        });
        try (var socket = remote.worker().socket("/ws")) {
            socket.send("{\"id\":\"1\",\"prompt\":\"hang\",\"details\":true}");
            remote.server().next();
            socket.send("{\"id\":\"2\",\"prompt\":\"a\"}");
            assertEquals("2", socket.answer().getLast().path("id").asText());
            var done = socket.answer().getLast();
            assertEquals("1", done.path("id").asText());
            assertEquals("timeout", done.path("finish_reason").asText());
        }
    }
}
