package dev.llmworker.remote;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.ChatEvents;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.testing.RemoteExtension;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// A server that does what servers do when things go wrong: every client is told, nothing hangs, nothing is left over.
class RemoteFaultsTest {
    private static final String CHAT = "/v1/chat/completions";
    private static final String PROMPT = "{\"prompt\":\"a\"}";
    private static final String MESSAGES = "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}";
    private static final String TOO_EARLY = "the engine's server ended its answer too early";
    private static final String NOT_UNDERSTOOD = "the engine's server sent an invalid answer";

    @RegisterExtension
    final RemoteExtension remote = new RemoteExtension();

    @AfterEach
    void itIsStillHealthy() throws Exception {
        assertEquals(200, remote.worker().get("/ping").statusCode());
    }

    private static String streamed(String body) {
        return body.substring(0, body.length() - 1) + ",\"stream\":true}";
    }

    /// The last thing that each kind of client is told, by its name.
    private Map<String, String> lastWords() throws Exception {
        var words = new LinkedHashMap<String, String>();
        words.put("generate", remote.worker().post("/generate", PROMPT).body());
        words.put(
                "events",
                last(remote.worker().post("/generate", streamed(PROMPT)).body()));
        try (var socket = remote.worker().socket("/ws")) {
            socket.send(PROMPT);
            words.put("ws", socket.answer().getLast().toString());
        }
        words.put("v1", remote.worker().post(CHAT, MESSAGES).body());
        words.put(
                "v1 events", last(remote.worker().post(CHAT, streamed(MESSAGES)).body()));
        return words;
    }

    private static String last(String events) {
        var lines = events.strip().lines().toList();
        return lines.getLast().replaceFirst("^data: ", "");
    }

    private void assertAllTold(String message, String code) throws Exception {
        lastWords().forEach((client, word) -> {
            assertTrue(word.contains("\"" + message), client + ": " + word);
            assertTrue(word.contains("\"code\":\"" + code + "\""), client + ": " + word);
        });
    }

    @Concurrent
    @Test
    void aStreamThatIsCutIsAnError() throws Exception {
        remote.server().answers((_, wire) -> wire.stream().delta("half an ans").cut());
        assertAllTold(TOO_EARLY, "engine_failed");
        assertEquals(502, remote.worker().post("/generate", PROMPT).statusCode());
        assertEquals(502, remote.worker().post(CHAT, MESSAGES).statusCode());
        assertTrue(remote.worker()
                .post("/generate", streamed(PROMPT))
                .body()
                .startsWith("data: {\"token\":\"half an ans\",\"index\":0}\n\ndata: {\"error\""));
    }

    @Concurrent
    @Test
    void aStreamThatIsCutWithinALineIsAnError() throws Exception {
        remote.server()
                .answers((_, wire) -> wire.stream()
                        .delta("a")
                        .chunk("data: {\"choices\":[{\"index\":0,\"fin".getBytes(StandardCharsets.UTF_8))
                        .cut());
        assertAllTold(TOO_EARLY, "engine_failed");
    }

    @Concurrent
    @Test
    void aStreamThatEndsWithoutAnEndIsAnError() throws Exception {
        remote.server().answers((_, wire) -> wire.stream().delta("a").raw("0\r\n\r\n"));
        assertAllTold(TOO_EARLY, "engine_failed");
        remote.server().answers((_, wire) -> {
            wire.closingStream().raw("data: " + ChatEvents.delta("a") + "\n\n");
            wire.cut();
        });
        assertAllTold(TOO_EARLY, "engine_failed");
    }

    @Concurrent
    @Test
    void aBodyThatIsShorterThanItsLengthIsAnError() throws Exception {
        var event =
                "data: " + ChatEvents.of("{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"\"}") + "\n\n";
        remote.server().answers((_, wire) -> {
            wire.raw("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9999\r\n\r\n" + event);
            wire.cut();
        });
        assertAllTold(TOO_EARLY, "engine_failed");
        remote.server().answers((_, wire) -> {
            wire.stream().raw("ffff\r\n" + event);
            wire.cut();
        });
        assertAllTold(TOO_EARLY, "engine_failed");
    }

    @Concurrent
    @Test
    void garbageIsAnError() throws Exception {
        for (var garbage :
                List.of("data: not json\n\n", "data: [1]\n\n", "data: {\"choices\":[{\n\n", "data: \u0000\n\n")) {
            remote.server().answers((_, wire) -> {
                wire.stream().delta("a").chunk(garbage.getBytes(StandardCharsets.ISO_8859_1));
                wire.awaitLeft();
            });
            assertAllTold(NOT_UNDERSTOOD, "engine_failed");
        }
        remote.server().answers((_, wire) -> {
            wire.stream().delta("a").chunk(new byte[] {'d', 'a', 't', 'a', ':', (byte) 0xff, '\n', '\n'});
            wire.awaitLeft();
        });
        assertAllTold(NOT_UNDERSTOOD, "engine_failed");
    }

    @Concurrent
    @Test
    void whatIsNoHttpIsAnError() throws Exception {
        remote.server().answers((_, wire) -> {
            wire.raw("SSH-2.0-OpenSSH_9.2\r\n");
            wire.awaitLeft();
        });
        assertAllTold("the engine's server closed the connection without an answer", "engine_failed");
    }

    @Concurrent
    @Test
    void anAnswerThatIsNoStreamIsAnError() throws Exception {
        remote.server().answers((_, wire) -> wire.json(200, "{\"choices\":[]}"));
        assertAllTold("the engine's server does not answer with an event stream", "engine_failed");
    }

    @Concurrent
    @Test
    void anErrorInTheStreamIsTold() throws Exception {
        for (var error : List.of(
                "data: {\"error\":{\"message\":\"CUDA error at /secret/path\",\"code\":500}}\n\n",
                "event: error\ndata: out of memory\n\n",
                "error: {\"code\":500,\"message\":\"x\"}\n\n")) {
            remote.server().answers((_, wire) -> {
                wire.stream().delta("a").chunk(error.getBytes(StandardCharsets.UTF_8));
                wire.raw("0\r\n\r\n");
            });
            assertAllTold("the engine's server reports that it failed", "engine_failed");
        }
    }

    @Concurrent
    @Test
    void aServerErrorIsTold() throws Exception {
        remote.server().answers((_, wire) -> wire.json(500, "{\"error\":{\"message\":\"stack trace\"}}"));
        assertAllTold("the engine's server failed, with status 500", "engine_failed");
        assertEquals(503, remote.worker().post("/generate", PROMPT).statusCode());
        assertEquals(0, remote.worker().stats.requests());
    }

    @Concurrent
    @Test
    void anErrorWithoutAnEndIsTold() throws Exception {
        remote.server().answers((_, wire) -> {
            wire.raw("HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\nhalf");
            wire.awaitLeft();
        });
        assertEquals(503, remote.worker().post("/generate", PROMPT).statusCode());
    }

    @Concurrent
    @Test
    void overloadIsPassedOnWithItsTime() throws Exception {
        for (var status : new int[] {429, 503}) {
            remote.server().answers((_, wire) -> wire.json(status, "{}", "Retry-After: 17"));
            assertAllTold("the engine's server is overloaded; try again later", "engine_overloaded");
            for (var body : List.of(PROMPT, streamed(PROMPT))) {
                var answer = remote.worker().post("/generate", body);
                assertEquals(503, answer.statusCode());
                assertEquals("17", answer.headers().firstValue("Retry-After").orElse(""));
            }
        }
        assertEquals(0, remote.worker().stats.requests());
        assertTrue(remote.worker().stats.refused("overloaded") > 0);
    }

    @Concurrent
    @Test
    void aWrongKeyIsNotTheClientsFault() throws Exception {
        remote.server().answers((_, wire) -> wire.json(401, "{\"error\":{\"message\":\"bad key sk-secret\"}}"));
        assertAllTold("the engine's server rejects the worker's key", "engine_unauthorized");
        assertEquals(503, remote.worker().post("/generate", PROMPT).statusCode());
    }
}
