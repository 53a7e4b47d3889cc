package dev.llmworker.remote;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.testing.ChatEvents;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.RemoteExtension;
import dev.llmworker.testing.RunningWorker;
import java.net.http.HttpRequest;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// The worker's own protocol over another server: what it asks there, and what it makes of the answer.
class RemoteAnswersTest {
    @RegisterExtension
    final RemoteExtension remote = new RemoteExtension(Map.of("ENGINE_API_KEY", "engine-key"));

    @BeforeEach
    void script() {
        remote.server()
                .answers((_, wire) ->
                        wire.stream().delta("Hel").delta("").delta("lo é").end("length", 11, 5));
    }

    private JsonNode asked(String body) throws Exception {
        assertEquals(200, remote.worker().post("/generate", body).statusCode());
        return remote.server().next().body();
    }

    @Test
    void aPromptIsAChatAndAlwaysAStream() throws Exception {
        var answer = remote.worker().post("/generate", "{\"prompt\":\"Say \\\"hi\\\"\",\"temperature\":0}");
        assertEquals("{\"generated_text\":\"Hello é\"}", answer.body());
        var request = remote.server().next();
        assertEquals("/v1/chat/completions", request.path());
        assertEquals(
                Events.json("{\"messages\":[{\"role\":\"user\",\"content\":\"Say \\\"hi\\\"\"}],\"max_tokens\":100,"
                        + "\"temperature\":0.0,\"stream\":true,\"stream_options\":{\"include_usage\":true},"
                        + "\"model\":\"served-model\"}"),
                request.body());
        // A template may print a message whole.
        assertTrue(request.text().contains("{\"role\":\"user\",\"content\":"), request.text());
    }

    @Test
    void aRawPromptIsAText() throws Exception {
        remote.server().answers((_, wire) -> {
            wire.stream().event("{\"object\":\"text_completion\",\"choices\":[{\"index\":0,\"text\":\" upon\"}]}");
            wire.event(
                    "{\"object\":\"text_completion\",\"choices\":[{\"index\":0,\"text\":\" a\",\"finish_reason\":\"stop\"}]}");
            wire.event("[DONE]");
            wire.raw("0\r\n\r\n");
        });
        var answer = remote.worker().post("/generate", "{\"prompt\":\"Once\",\"raw\":true,\"details\":true}");
        var body = Events.json(answer.body());
        assertEquals(" upon a", body.get("generated_text").asText());
        assertEquals("stop", body.get("finish_reason").asText());
        assertEquals(2, body.get("usage").get("completion_tokens").asInt());
        var request = remote.server().next();
        assertEquals("/v1/completions", request.path());
        assertEquals("Once", request.body().get("prompt").asText());
        assertFalse(request.body().has("messages"));
    }

    @Test
    void samplingGoesAlongWhereItIsAskedFor() throws Exception {
        var body = asked(
                "{\"prompt\":\"a\",\"max_tokens\":7,\"temperature\":0.5,\"top_p\":0.25,\"top_k\":3,\"min_p\":0.125,"
                        + "\"seed\":-5,\"stop\":[\"x\",\"y\"],\"presence_penalty\":1,\"frequency_penalty\":-1,"
                        + "\"repetition_penalty\":1.5,\"logit_bias\":{\"17\":-100},\"ignore_eos\":true,\"min_tokens\":2}");
        assertEquals(
                Events.json(
                        "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"max_tokens\":7,\"stop\":[\"x\",\"y\"],"
                                + "\"ignore_eos\":true,\"min_tokens\":2,\"temperature\":0.5,\"seed\":-5,\"top_p\":0.25,"
                                + "\"min_p\":0.125,\"top_k\":3,\"presence_penalty\":1.0,\"frequency_penalty\":-1.0,"
                                + "\"repetition_penalty\":1.5,\"repeat_penalty\":1.5,\"logit_bias\":{\"17\":-100.0},"
                                + "\"stream\":true,\"stream_options\":{\"include_usage\":true},\"model\":\"served-model\"}"),
                body);
    }

    @Test
    void callsAndTheirResultsGoAlong() throws Exception {
        var messages = "[{\"role\":\"user\",\"content\":\"a\"},"
                + "{\"role\":\"assistant\",\"content\":\"\",\"reasoning_content\":\"hm\",\"tool_calls\":["
                + "{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},"
                + "{\"role\":\"tool\",\"content\":\"7\",\"tool_call_id\":\"c1\",\"name\":\"f\"}]";
        assertEquals(
                Events.json(messages), asked("{\"messages\":" + messages + "}").get("messages"));
    }

    @Test
    void whatIsForTheTemplateGoesAlong() throws Exception {
        var body =
                asked("{\"prompt\":\"a\",\"reasoning_effort\":\"low\",\"stop_token_ids\":[7],\"top_p\":0,\"top_k\":-1,"
                        + "\"chat_template_kwargs\":{\"enable_thinking\":false}}");
        assertEquals("low", body.get("reasoning_effort").asText());
        assertEquals(
                "{\"enable_thinking\":false}", body.get("chat_template_kwargs").toString());
        assertEquals("[7]", body.get("stop_token_ids").toString());
        // Some servers refuse a top_p of 0.
        assertEquals(0, body.get("temperature").asDouble());
        assertFalse(body.has("top_p"));
        assertFalse(body.has("top_k"));
    }

    @Test
    void aFormatThatTheServerCannotBeAskedForIsRefusedAndNotDropped() throws Exception {
        assertEquals(
                "json_object",
                asked("{\"prompt\":\"a\",\"response_format\":{\"type\":\"json_object\"}}")
                        .at("/response_format/type")
                        .asText());
        for (var format : new String[] {
            "\"structured_outputs\":{\"regex\":\"a\"}", "\"guided_choice\":[\"a\"]", "\"raw\":true,\"guided_json\":{}"
        }) {
            for (var more : new String[] {"", ",\"stream\":true"}) {
                var answer = remote.worker().post("/generate", "{\"prompt\":\"a\"," + format + more + "}");
                assertEquals(400, answer.statusCode(), answer.body());
                assertTrue(answer.body().contains("is not supported by the engine's server"), answer.body());
            }
        }
        assertTrue(remote.server().requests.isEmpty());
    }

    @Test
    void theRequestIdAndTheEnginesKeyGoAlongAndTheClientsKeyDoesNot() throws Exception {
        var answer = RunningWorker.send(remote.worker()
                .request("/generate")
                .header("X-Request-Id", "id-of-the-client")
                .header("Authorization", "Bearer client-key")
                .header("X-API-Key", "client-key")
                .POST(HttpRequest.BodyPublishers.ofString("{\"prompt\":\"a\"}")));
        assertEquals(
                "id-of-the-client", answer.headers().firstValue("X-Request-Id").orElse(""));
        var sent = remote.server().next();
        assertEquals("id-of-the-client", sent.header("x-request-id"));
        assertEquals("Bearer engine-key", sent.header("authorization"));
        assertFalse(
                sent.headers().toString().contains("client-key"), sent.headers().toString());
    }

    @Test
    void theUsageIsTheServers() throws Exception {
        var body = Events.json(remote.worker()
                .post("/generate", "{\"prompt\":\"a\",\"details\":true}")
                .body());
        assertEquals("length", body.get("finish_reason").asText());
        assertEquals(
                "{\"prompt_tokens\":11,\"completion_tokens\":5,\"total_tokens\":16,"
                        + "\"prompt_tokens_details\":{\"cached_tokens\":0}}",
                body.get("usage").toString());
        remote.server().answers((_, wire) -> {
            wire.stream();
            wire.event(ChatEvents.of("{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}"));
            wire.event(ChatEvents.usage(11, 1)
                    .replace("\"usage\":{", "\"usage\":{\"prompt_tokens_details\":{\"cached_tokens\":7},"));
            wire.event("[DONE]");
            wire.raw("0\r\n\r\n");
        });
        var cached = remote.worker().post("/generate", "{\"prompt\":\"a\",\"details\":true}");
        assertEquals(
                7,
                Events.json(cached.body())
                        .at("/usage/prompt_tokens_details/cached_tokens")
                        .asInt());
    }

    @Test
    void eachPieceOfTextIsAFrameOfTheWebSocket() throws Exception {
        try (var socket = remote.worker().socket("/ws")) {
            socket.send("{\"prompt\":\"a\"}");
            assertEquals("{\"token\":\"Hel\",\"index\":0}", socket.next());
            assertEquals("{\"token\":\"lo é\",\"index\":1}", socket.next());
            assertEquals("{\"done\":true,\"total_tokens\":2}", socket.next());
            assertTrue(remote.server().next().header("x-request-id").matches("[0-9a-f]{16}"));
        }
    }

    @Test
    void eachPieceOfTextIsAnEvent() throws Exception {
        var events = Events.post(remote.worker(), "/generate", "{\"prompt\":\"a\",\"stream\":true}");
        assertEquals(3, events.size());
        assertEquals("{\"token\":\"lo é\",\"index\":1}", events.get(1));
        assertEquals("{\"done\":true,\"total_tokens\":2}", events.get(2));
    }

    @Test
    void theModelIsTheOneThatTheServerLists() throws Exception {
        var models = Events.json(remote.worker().get("/v1/models").body());
        assertEquals("served-model", models.get("data").get(0).get("id").asText());
    }
}
