package dev.llmworker.remote;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.ChatEvents;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.RemoteExtension;
import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// A stream is the same text however its bytes come.
class RemoteStreamsTest {
    private static final String CHAT = "/v1/chat/completions";
    private static final String PROMPT = "{\"prompt\":\"a\"}";

    @RegisterExtension
    final RemoteExtension remote = new RemoteExtension();

    private String generated() throws Exception {
        var answer = remote.worker().post("/generate", PROMPT);
        assertEquals(200, answer.statusCode(), answer.body());
        return Events.json(answer.body()).get("generated_text").asText();
    }

    @Test
    void aPieceOfAnAnswerIsASignOfLife() throws Exception {
        remote.server().answers((_, wire) -> wire.stream().delta("a").end("stop", 1, 1));
        // Two checks must fail before it is out.
        remote.server().health = 503;
        var before = remote.generator().lastHeard();
        generated();
        assertTrue(remote.generator().lastHeard() > before);
    }

    @Seeded
    @Test
    void bytesInAnyPiecesAreTheSameText() throws Exception {
        var stream = ("\ufeffid: 1\r\n: comment\r\nevent: message\r\ndata: " + ChatEvents.delta("é日𝄞")
                        + "\r\n\r\nid: 7\rdata:" + ChatEvents.delta("x") + "\r\rretry: 1\ndata: "
                        + ChatEvents.end("stop").replace(",", ",\ndata: ") + "\n\ndata: [DONE]\n\n")
                .getBytes(StandardCharsets.UTF_8);
        var seed = Seeds.seed();
        var random = new Random(seed);
        for (var round = 0; round < Seeds.rounds(20); round++) {
            var most = 1 + random.nextInt(40);
            remote.server().answers((_, wire) -> {
                wire.stream();
                for (var from = 0; from < stream.length; ) {
                    var to = Math.min(stream.length, from + 1 + random.nextInt(most));
                    wire.chunk(Arrays.copyOfRange(stream, from, to));
                    from = to;
                }
                wire.raw("0\r\n\r\n");
            });
            assertEquals("é日𝄞x", generated(), "seed " + seed);
        }
        // The last event of several lines is one line again.
        var events = Events.post(remote.worker(), CHAT, "{\"messages\":[],\"stream\":true}");
        assertEquals("[DONE]", events.getLast());
        assertEquals(
                "stop",
                Events.json(events.get(2))
                        .get("choices")
                        .get(0)
                        .get("finish_reason")
                        .asText());
    }

    @Test
    void theTypeOfAStreamMayBeInAnyCase() throws Exception {
        remote.server().answers((_, wire) -> {
            wire.raw("HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; Charset=UTF-8\r\n"
                    + "Transfer-Encoding: chunked\r\n\r\n");
            wire.delta("a").end("stop", 1, 1);
        });
        assertEquals("a", generated());
    }

    @Test
    void aLongLineIsReadAndAnEndlessOneIsNot() throws Exception {
        var text = "x".repeat(500_000);
        remote.server().answers((_, wire) -> wire.stream().delta(text).end("stop", 1, 1));
        assertEquals("" + text + "", generated());
        remote.server().answers((_, wire) -> {
            var line = new ByteArrayOutputStream();
            line.writeBytes("data: {\"a\":\"".getBytes(StandardCharsets.UTF_8));
            line.writeBytes("x".repeat(100_000).getBytes(StandardCharsets.UTF_8));
            wire.stream().delta("a");
            while (true) {
                wire.chunk(line.toByteArray());
            }
        });
        assertEquals(502, remote.worker().post("/generate", PROMPT).statusCode());
    }

    @Test
    void aSlowServerIsWaitedFor() throws Exception {
        var event = ("data: " + ChatEvents.delta("slow") + "\n\n").getBytes(StandardCharsets.UTF_8);
        remote.server().answers((_, wire) -> {
            wire.stream();
            for (var value : event) {
                wire.chunk(new byte[] {value});
            }
            wire.end("stop", 1, 1);
        });
        assertEquals("slow", generated());
    }

    @Test
    void contentAfterTheFinishReasonIsWaitedForWhileItComes() throws Exception {
        remote.server().answers((_, wire) -> {
            wire.stream().delta("a").event(ChatEvents.end("stop"));
            for (var more : List.of("b", "c", "d", "e")) {
                // The server is slow: together this is longer than the worker waits for the usage.
                Thread.sleep(600);
                wire.delta(more);
            }
            wire.event("[DONE]");
            wire.raw("0\r\n\r\n");
        });
        assertEquals("abcde", generated());
    }

    @Test
    void aServerThatKeepsItsStreamOpenAfterTheEndHoldsNobodyUp() throws Exception {
        remote.server().answers((_, wire) -> {
            wire.stream().delta("a").event(ChatEvents.end("stop"));
            wire.event(ChatEvents.usage(1, 1)).event("[DONE]");
            wire.awaitLeft();
        });
        assertEquals("a", generated());
        remote.server().next().awaitLeft();
    }
}
