package dev.llmworker.remote;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.testing.ChatEvents;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.RemoteExtension;
import dev.llmworker.testing.ScriptedServer;
import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// One answer of a server, written in every way that is legal or that servers have: each client gets the same. Of a
/// part
/// of it each client gets an error.
class RelayFuzzTest {
    private static final String CHAT = "/v1/chat/completions";
    private static final List<String> WORDS =
            List.of("one", " two", " thrée", " 四", " 😀", " six\\u2028", " \\\"seven\\\"");
    private static final String TEXT = "one two thrée 四 😀 six\u2028 \"seven\"";
    private static final List<String> ENDS = List.of("\n", "\r", "\r\n");
    private static final List<String> NO_REASONS = List.of("null", "\"\"", "\"null\"", "\" \"");
    private static final List<String> NOTHINGS = List.of(
            ": comment|",
            "|",
            "data:||",
            "data: ||",
            "data||",
            "id: 7|",
            "retry: 3|",
            "unknown: x|",
            "event: ping|data: {}||",
            "event: error||",
            "event: message|",
            "data: : keepalive||",
            "data: {\"type\":\"ping\"}||",
            "data: null||");

    private final long seed = Seeds.seed();
    private final Random random = new Random(seed);

    @RegisterExtension
    final RemoteExtension remote = new RemoteExtension();

    private <T> T any(List<T> list) {
        return list.get(random.nextInt(list.size()));
    }

    /// Vertical lines are line ends; those of one stream may differ.
    private String ended(String lines, boolean mixed) {
        var one = any(ENDS);
        var text = new StringBuilder();
        for (var c : lines.toCharArray()) {
            // A CR that stands before an LF of the next line would be one line end with it.
            text.append(c != '|' ? String.valueOf(c) : mixed ? any(List.of("\n", "\r\n")) : one);
        }
        return text.toString();
    }

    private String event(String json) {
        // Between the parts of JSON there may be line breaks.
        var data = random.nextInt(3) == 0 ? json.replace(",\"", ",|data: \"") : json;
        return (random.nextInt(5) == 0 ? "event: message|" : "") + (random.nextBoolean() ? "data: " : "data:") + data
                + "||";
    }

    private String nothings() {
        var lines = new StringBuilder();
        while (random.nextInt(3) == 0) {
            lines.append(any(NOTHINGS));
        }
        return lines.toString();
    }

    /// @param complete whether it ends as an answer does
    private String stream(boolean complete) {
        var noReason = any(NO_REASONS);
        var lines = new StringBuilder(nothings());
        for (var word : WORDS) {
            lines.append(event(ChatEvents.of("{\"index\":0,\"delta\":{\"content\":\"" + word + "\"},\"finish_reason\":"
                            + noReason + "}")))
                    .append(nothings());
        }
        if (complete) {
            lines.append(event(ChatEvents.end("length"))).append(nothings());
            lines.append(event(ChatEvents.usage(3, 7))).append(nothings()).append(event("[DONE]"));
        }
        return (random.nextInt(3) == 0 ? "\ufeff" : "") + ended(lines.toString(), random.nextBoolean());
    }

    /// Writes a stream in pieces of random sizes, and ends it in one of the ways of HTTP.
    private void write(byte[] stream, boolean complete, ScriptedServer.Wire wire) throws IOException {
        var framing = random.nextInt(3);
        switch (framing) {
            case 0 -> wire.stream();
            case 1 -> wire.closingStream();
            default ->
                wire.raw("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: "
                        + (stream.length + (complete ? 0 : 10)) + "\r\n\r\n");
        }
        var most = 1 + random.nextInt(200);
        for (var from = 0; from < stream.length; ) {
            var to = Math.min(stream.length, from + 1 + random.nextInt(most));
            var piece = Arrays.copyOfRange(stream, from, to);
            if (framing == 0) {
                wire.chunk(piece);
            } else {
                wire.raw(piece);
            }
            from = to;
        }
        if (framing == 0 && (complete || random.nextBoolean())) {
            wire.raw("0\r\n\r\n");
        }
        if (framing == 1 || !complete) {
            wire.cut();
        }
    }

    private static JsonNode choice(String answer) throws Exception {
        return Events.json(answer).path("choices").path(0);
    }

    @Seeded
    @Test
    void anAnswerIsTheSameHoweverItIsWritten() throws Exception {
        remote.server().answers((_, wire) -> write(stream(true).getBytes(StandardCharsets.UTF_8), true, wire));
        for (var round = 0; round < Seeds.rounds(40); round++) {
            var at = "seed " + seed + ", round " + round;
            var own = remote.worker().post("/generate", "{\"prompt\":\"x\",\"details\":true}");
            assertEquals(200, own.statusCode(), at + own.body());
            var details = Events.json(own.body());
            assertEquals(TEXT, details.path("generated_text").asText(), at);
            assertEquals("length", details.path("finish_reason").asText(), at);
            assertEquals(10, details.at("/usage/total_tokens").asInt(), at);
            var whole = remote.worker().post(CHAT, "{\"messages\":[]}").body();
            assertEquals(TEXT, choice(whole).at("/message/content").asText(), at + whole);
            assertEquals("length", choice(whole).path("finish_reason").asText(), at);
            assertEquals(6, Events.json(whole).size(), at + whole);
            var events = Events.post(remote.worker(), CHAT, "{\"messages\":[],\"stream\":true}");
            var text = new StringBuilder();
            for (var event : events.subList(0, events.size() - 2)) {
                text.append(choice(event).at("/delta/content").asText());
                assertEquals("null", choice(event).path("finish_reason").toString(), at);
            }
            assertEquals(TEXT, text.toString(), at);
            assertEquals(
                    "length",
                    choice(events.get(events.size() - 2)).path("finish_reason").asText(),
                    at);
            assertEquals("[DONE]", events.getLast(), at);
        }
    }

    @Seeded
    @Test
    void aPartOfAnAnswerIsAnErrorHoweverItIsWritten() throws Exception {
        remote.server().answers((_, wire) -> write(stream(false).getBytes(StandardCharsets.UTF_8), false, wire));
        for (var round = 0; round < Seeds.rounds(15); round++) {
            var at = "seed " + seed + ", round " + round;
            for (var path : List.of("/generate", CHAT)) {
                var body = path.equals(CHAT) ? "{\"messages\":[]%s}" : "{\"prompt\":\"x\"%s}";
                var answer = remote.worker().post(path, body.formatted(""));
                assertEquals(502, answer.statusCode(), at + answer.body());
                var events = Events.post(remote.worker(), path, body.formatted(",\"stream\":true"));
                assertEquals(true, events.getLast().contains("engine_failed"), at + events);
            }
        }
    }
}
