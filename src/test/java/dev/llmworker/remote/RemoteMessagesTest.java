package dev.llmworker.remote;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.Events;
import dev.llmworker.testing.RemoteExtension;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// Anthropic's API in front of a server that knows OpenAI's alone.
class RemoteMessagesTest {
    private static final String MESSAGES = "/v1/messages";

    @RegisterExtension
    final RemoteExtension remote = new RemoteExtension();

    private static String body(String more) {
        return ("{'model':'served-model','max_tokens':9000,'system':'Be kind.','messages':[{'role':'user','content':'hi'}]"
                        + more + "}")
                .replace('\'', '"');
    }

    @Test
    void aMessageIsAChat() throws Exception {
        remote.server()
                .answers((_, wire) -> wire.stream().delta("Hel").delta("lo").end("length", 11, 5));
        var answer = Events.json(remote.worker()
                .post(MESSAGES, body(",'stop_sequences':['x'],'thinking':{'type':'enabled','budget_tokens':2000}"))
                .body());
        assertEquals("Hello", answer.at("/content/0/text").asText());
        // The server decides what its context holds, so nobody here knows that it was full.
        assertEquals("max_tokens", answer.get("stop_reason").asText());
        assertEquals(11, answer.at("/usage/input_tokens").asInt());
        assertEquals(5, answer.at("/usage/output_tokens").asInt());
        var request = remote.server().next();
        assertEquals("/v1/chat/completions", request.path());
        assertEquals(
                Events.json("[{\"role\":\"system\",\"content\":\"Be kind.\"},{\"role\":\"user\",\"content\":\"hi\"}]"),
                request.body().get("messages"));
        assertEquals(9000, request.body().get("max_tokens").asInt());
        assertEquals("x", request.body().at("/stop/0").asText());
        assertTrue(request.body().at("/chat_template_kwargs/enable_thinking").asBoolean(), request.text());
    }

    @Test
    void aStreamIsAStream() throws Exception {
        remote.server()
                .answers((_, wire) -> wire.stream().delta("Hel").delta("lo").end("stop", 11, 5));
        var events = Events.named(
                Events.open(remote.worker(), MESSAGES, body(",'stream':true").replace('\'', '"')));
        assertEquals("message_start", events.getFirst().get("type").asText());
        assertEquals("message_stop", events.getLast().get("type").asText());
        var end = events.get(events.size() - 2);
        assertEquals("end_turn", end.at("/delta/stop_reason").asText());
        assertEquals(11, end.at("/usage/input_tokens").asInt());
    }

    /// The worker has no tokenizer. A server that has one says how long the prompt was.
    @Test
    void aCountTakesOneToken() throws Exception {
        remote.server().answers((_, wire) -> wire.stream().delta("H").end("length", 11, 1));
        var answer = remote.worker().post(MESSAGES + "/count_tokens", body(""));
        assertEquals("{\"input_tokens\":11}", answer.body());
        assertEquals(1, remote.server().next().body().get("max_tokens").asInt());
        remote.server().answers((_, wire) -> {
            wire.stream().delta("H").event("[DONE]");
            wire.raw("0\r\n\r\n");
        });
        var unknown = remote.worker().post(MESSAGES + "/count_tokens", body(""));
        assertEquals(502, unknown.statusCode(), unknown.body());
        assertEquals("api_error", Events.json(unknown.body()).at("/error/type").asText());
    }

    @Test
    void tokensAreRefused() throws Exception {
        var answer = remote.worker().post("/tokenize", "{\"prompt\":\"x\"}");
        assertEquals(400, answer.statusCode());
        assertFalse(remote.server().requests.iterator().hasNext());
    }
}
