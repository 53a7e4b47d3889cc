package dev.llmworker.remote;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import dev.llmworker.testing.Events;
import dev.llmworker.testing.RemoteExtension;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// OpenAI's API of responses in front of a server that knows chat completions alone.
class RemoteResponsesTest {
    private static final String RESPONSES = "/v1/responses";

    @RegisterExtension
    final RemoteExtension remote = new RemoteExtension();

    private static String body(String more) {
        return ("{'model':'served-model','max_output_tokens':9000,'input':'hi'" + more + "}").replace('\'', '"');
    }

    @Test
    void aResponseIsAChat() throws Exception {
        remote.server()
                .answers((_, wire) -> wire.stream().delta("Hel").delta("lo").end("length", 11, 5));
        var first = Events.json(remote.worker()
                .post(RESPONSES, body(",'instructions':'Be kind.'"))
                .body());
        assertEquals("Hello", first.at("/output/0/content/0/text").asText());
        assertEquals("incomplete", first.get("status").asText());
        assertEquals(11, first.at("/usage/input_tokens").asInt());
        assertEquals(5, first.at("/usage/output_tokens").asInt());
        var request = remote.server().next();
        assertEquals("/v1/chat/completions", request.path());
        assertEquals(
                Events.json("[{\"role\":\"system\",\"content\":\"Be kind.\"},{\"role\":\"user\",\"content\":\"hi\"}]"),
                request.body().get("messages"));
        assertEquals(9000, request.body().get("max_tokens").asInt());
        assertFalse(request.body().has("input"));

        remote.server().answers((_, wire) -> wire.stream().delta("Ho").end("stop", 11, 5));
        var second = remote.worker()
                .post(
                        RESPONSES,
                        body(",'previous_response_id':'" + first.get("id").asText() + "'"));
        assertEquals("completed", Events.json(second.body()).get("status").asText(), second.body());
        assertEquals(
                Events.json("[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\",\"content\":\"Hello\"},"
                        + "{\"role\":\"user\",\"content\":\"hi\"}]"),
                remote.server().next().body().get("messages"));
    }

    @Test
    void aWebSocketIsAChat() throws Exception {
        remote.server()
                .answers((_, wire) -> wire.stream().delta("Hel").delta("lo").end("stop", 11, 5));
        try (var socket = remote.worker().socket(RESPONSES)) {
            var previous = "";
            for (var turns : new int[] {1, 3, 5}) {
                socket.send(body(",'type':'response.create','store':false,'previous_response_id':'" + previous + "'"));
                var event = Events.json(socket.next());
                while (!event.get("type").asText().equals("response.completed")) {
                    event = Events.json(socket.next());
                }
                assertEquals(
                        "Hello", event.at("/response/output/0/content/0/text").asText());
                previous = event.at("/response/id").asText();
                assertEquals(
                        turns, remote.server().next().body().get("messages").size());
            }
        }
    }

    @Test
    void aStreamIsAStream() throws Exception {
        remote.server()
                .answers((_, wire) -> wire.stream().delta("Hel").delta("lo").end("stop", 11, 5));
        var events = Events.named(Events.open(remote.worker(), RESPONSES, body(",'stream':true")));
        assertEquals("response.created", events.getFirst().get("type").asText());
        var last = events.getLast();
        assertEquals("response.completed", last.get("type").asText());
        assertEquals("Hello", last.at("/response/output/0/content/0/text").asText());
        assertEquals(11, last.at("/response/usage/input_tokens").asInt());
    }
}
