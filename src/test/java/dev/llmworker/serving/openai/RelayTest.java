package dev.llmworker.serving.openai;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.llmworker.generation.OpenAiRequest;
import dev.llmworker.sampling.ParameterException;
import dev.llmworker.testing.ChatEvents;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.RemoteExtension;
import dev.llmworker.testing.RemoteWorker;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.text.WholeCharacters;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// OpenAI's API over another server of it: requests and answers go through as they are.
class RelayTest {
    private static final String CHAT = "/v1/chat/completions";
    /// What no engine in this process takes.
    private static final String RICH = """
            {"messages":[{"role":"user","content":[{"type":"text","text":"What is it?"},
            {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]},
            {"role":"tool","tool_call_id":"t","content":"7"}],
            "tools":[{"type":"function","function":{"name":"look","parameters":{"type":"object"}}}],
            "response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{}}},
            "n":2,"top_logprobs":20,"logprobs":true,"chat_template_kwargs":{"thinking":false},"temperature":1.5""";

    @RegisterExtension
    final RemoteExtension remote = new RemoteExtension();

    private void answersWithATool() {
        remote.server().answers((_, wire) -> {
            wire.stream();
            for (var choices : List.of(
                    "{\"index\":1,\"delta\":{\"role\":\"assistant\",\"content\":\"B\"}}",
                    "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"index\":0,"
                            + "\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"look\",\"arguments\":\"\"}}]}}",
                    "{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\"\"}}]}}",
                    "{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"id\":\"call_2\",\"type\":\"function\","
                            + "\"function\":{\"name\":\"look\",\"arguments\":\"{}\"}}]}}",
                    "{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\":1}\"}}]}}",
                    "{\"index\":1,\"delta\":{\"content\":\"ye\"},\"logprobs\":{\"content\":[{\"token\":\"ye\",\"logprob\":-1}]}}",
                    "{\"index\":1,\"delta\":{\"content\":\"!\"},\"logprobs\":{\"content\":[{\"token\":\"!\",\"logprob\":-2}]},"
                            + "\"finish_reason\":\"stop\"}",
                    "{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}")) {
                wire.event(ChatEvents.of(choices));
            }
            wire.event(ChatEvents.usage(3, 9));
            wire.event("[DONE]");
            wire.raw("0\r\n\r\n");
        });
    }

    @Test
    void aRequestGoesThroughAsItIs() throws Exception {
        answersWithATool();
        assertEquals(200, remote.worker().post(CHAT, RICH + "}").statusCode());
        var expected = (ObjectNode) Events.json(RICH + "}");
        expected.put("model", "served-model").put("stream", true);
        expected.putObject("stream_options").put("include_usage", true);
        assertEquals(expected, remote.server().next().body());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "\"chat_template\":\"{{ 6 * 7 }}\"",
                "\"chat_template\":[{\"name\":\"default\",\"template\":\"x\"}]",
                "\"prompt_embeds\":\"gASV\"",
                "\"input_embeds\":[[0.5]]",
                "\"kv_transfer_params\":{\"remote_host\":\"10.0.0.1\"}",
                "\"ec_transfer_params\":{\"a\":1}",
                "\"bootstrap_host\":\"10.0.0.1\"",
                "\"bootstrap_port\":0",
                "\"bootstrap_room\":[1]",
                "\"logits_processors\":[\"os.system\"]",
                "\"custom_logit_processor\":\"gASV\"",
                "\"chat_template_kwargs\":{\"chat_template\":\"x\"}",
                "\"chat_template_kwargs\":{\"tokenize\":true}",
            })
    void whatReachesIntoTheServerIsRefusedByName(String field) throws Exception {
        var name = field.substring(1, field.indexOf('"', 1));
        for (var request : List.of(
                new Form(CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],"),
                new Form("/v1/completions", "{\"prompt\":\"x\","))) {
            for (var stream : List.of("", ",\"stream\":true")) {
                var answer = remote.worker().post(request.path, request.start + field + stream + "}");
                assertEquals(400, answer.statusCode(), answer.body());
                assertTrue(answer.body().contains(name) && answer.body().contains("is not supported"), answer.body());
            }
        }
        // The next request that arrives is an allowed one.
        answersWithATool();
        remote.worker().post(CHAT, "{\"messages\":[],\"chat_template\":null,\"kv_transfer_params\":{},\"first\":1}");
        assertEquals(1, remote.server().next().body().get("first").asInt());
    }

    private record Form(String path, String start) {}

    @Test
    void aClientHasNoSayInTheServersScheduleAndCache() throws Exception {
        answersWithATool();
        remote.worker()
                .post(
                        CHAT,
                        "{\"messages\":[],\"priority\":-9,\"cache_salt\":\"x\",\"extra_key\":\"y\","
                                + "\"data_parallel_rank\":1,\"user\":\"me\"}");
        var sent = remote.server().next().body();
        for (var name : List.of("priority", "cache_salt", "extra_key", "data_parallel_rank")) {
            assertFalse(sent.has(name), sent.toString());
        }
        assertEquals("me", sent.get("user").asText());
    }

    @Test
    void aWholeAnswerIsPutTogether() throws Exception {
        answersWithATool();
        var answer = Events.json(remote.worker().post(CHAT, RICH + "}").body());
        assertEquals(
                Events.json("{\"id\":\"c1\",\"object\":\"chat.completion\",\"created\":7,\"model\":\"m\",\"choices\":["
                        + "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":["
                        + "{\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"look\",\"arguments\":\"{\\\"a\\\":1}\"}},"
                        + "{\"id\":\"call_2\",\"type\":\"function\",\"function\":{\"name\":\"look\",\"arguments\":\"{}\"}}]},"
                        + "\"finish_reason\":\"tool_calls\"},"
                        + "{\"index\":1,\"message\":{\"role\":\"assistant\",\"content\":\"Bye!\"},\"logprobs\":{\"content\":["
                        + "{\"token\":\"ye\",\"logprob\":-1},{\"token\":\"!\",\"logprob\":-2}]},\"finish_reason\":\"stop\"}],"
                        + "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":9,\"total_tokens\":12}}"),
                answer);
        assertEquals(9, remote.worker().stats.generatedTokens());
        assertEquals(3, remote.worker().stats.promptTokens());
    }

    @Test
    void aStreamGoesThroughAsItIs() throws Exception {
        answersWithATool();
        var events = Events.post(remote.worker(), CHAT, RICH + ",\"stream\":true}");
        // The usage was not asked for.
        assertEquals(8 + 1, events.size());
        assertEquals(ChatEvents.of("{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}"), events.get(7));
        assertEquals("[DONE]", events.getLast());
    }

    @Test
    void theUsageComesWhereItIsAskedFor() throws Exception {
        answersWithATool();
        var events = Events.post(
                remote.worker(), CHAT, RICH + ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
        assertEquals(8 + 2, events.size());
        assertEquals(ChatEvents.usage(3, 9), events.get(8));
    }

    @Test
    void aTextGoesThroughToo() throws Exception {
        remote.server().answers((_, wire) -> {
            wire.stream();
            for (var text : List.of("a", "b")) {
                wire.event("{\"object\":\"text_completion\",\"choices\":[{\"index\":0,\"text\":\"" + text
                        + "\",\"logprobs\":{\"tokens\":[\"" + text + "\"],\"text_offset\":[0]}}]}");
            }
            wire.event(
                    "{\"object\":\"text_completion\",\"choices\":[{\"index\":0,\"text\":\"\",\"finish_reason\":\"length\"}]}");
            wire.event("[DONE]");
            wire.raw("0\r\n\r\n");
        });
        var answer = Events.json(remote.worker()
                .post("/v1/completions", "{\"prompt\":[1,2,3],\"echo\":true,\"suffix\":\"x\"}")
                .body());
        assertEquals(
                "[{\"index\":0,\"text\":\"ab\",\"logprobs\":{\"tokens\":[\"a\",\"b\"],\"text_offset\":[0,0]},"
                        + "\"finish_reason\":\"length\"}]",
                answer.get("choices").toString());
        var sent = remote.server().next();
        assertEquals("/v1/completions", sent.path());
        assertEquals("[1,2,3]", sent.body().get("prompt").toString());
        assertTrue(sent.body().get("echo").asBoolean());
    }

    @Test
    void anotherModelIsNotServed() throws Exception {
        var answer = remote.worker().post(CHAT, "{\"model\":\"other\",\"messages\":[]}");
        assertEquals(404, answer.statusCode());
        assertTrue(answer.body().contains("model_not_found"), answer.body());
    }

    @Test
    void theServersModelIsFoundByItsIdWhichMayHaveSlashes() throws Exception {
        remote.server().model = "org/name:q4";
        try (var other = RemoteWorker.before(remote.server())) {
            for (var id : List.of("org/name:q4", "org%2Fname:q4", "org%2fname%3Aq4")) {
                var answer = other.worker.get("/v1/models/" + id);
                assertEquals(200, answer.statusCode(), answer.body());
                assertEquals("org/name:q4", Events.json(answer.body()).get("id").asText());
            }
            assertEquals(404, other.worker.get("/v1/models/name").statusCode());
        }
    }

    @Test
    void numbersKeepTheirDigitsInBothDirections() throws Exception {
        remote.server().answers((_, wire) -> {
            wire.stream()
                    .event(ChatEvents.of(
                            "{\"index\":0,\"delta\":{\"content\":\"a\\u2028\"},\"p\":-1.10,\"q\":12345678901234567890.5,"
                                    + "\"r\":1e999,\"finish_reason\":\"stop\"}"));
            wire.event("[DONE]");
            wire.raw("0\r\n\r\n");
        });
        var answer = remote.worker()
                .post(
                        CHAT,
                        "{\"messages\":[],\"metadata\":{\"a\":1.10,\"b\":1e999,\"c\":-0},\"user\":\"u\",\"seed\":1e2}");
        assertTrue(answer.body().contains("\"p\":-1.10,\"q\":12345678901234567890.5,\"r\":1E+999"), answer.body());
        assertTrue(answer.body().contains("a\\u2028"), answer.body());
        assertEquals(
                "{\"messages\":[],\"metadata\":{\"a\":1.10,\"b\":1e999,\"c\":-0},\"user\":\"u\",\"seed\":1e2,\"stream\":true,"
                        + "\"stream_options\":{\"include_usage\":true},\"model\":\"served-model\"}",
                remote.server().next().text());
    }

    @Test
    void lineEndsOfUnicodeAreEscapedInWhatIsRelayed() throws Exception {
        remote.server()
                .answers((_, wire) ->
                        wire.stream().delta("a\u2028b\u2029c\u0085d").end("stop", 1, 1));
        var events = Events.post(remote.worker(), CHAT, "{\"messages\":[],\"stream\":true}");
        assertEquals(ChatEvents.delta("a\\u2028b\\u2029c\\u0085d"), events.getFirst());
    }

    @Test
    void anAnswerOfNothingIsTheServersFault() throws Exception {
        remote.server().answers((_, wire) -> {
            wire.stream().event("{\"type\":\"ping\"}").event("[DONE]");
            wire.raw("0\r\n\r\n");
        });
        var answer = remote.worker().post(CHAT, "{\"messages\":[]}");
        assertEquals(502, answer.statusCode());
        assertTrue(answer.body().contains("engine_failed"), answer.body());
    }

    @Test
    void aCharacterInTwoPiecesComesWhole() throws Exception {
        remote.server()
                .answers((_, wire) ->
                        wire.stream().delta("a\\ud83d").delta("\\ude00b\\ud83d").end("stop", 1, 1));
        var text = new StringBuilder();
        var events = Events.post(remote.worker(), CHAT, "{\"messages\":[],\"stream\":true}");
        for (var event : events.subList(0, 2)) {
            var piece = Events.json(event).at("/choices/0/delta/content").asText();
            assertEquals(-1, WholeCharacters.brokenAt(piece, 0), event);
            text.append(piece);
        }
        assertEquals("a😀b", text.toString());
        var whole = remote.worker().post(CHAT, "{\"messages\":[]}");
        assertEquals(
                "a😀b",
                Events.json(whole.body()).at("/choices/0/message/content").asText());
        assertEquals(
                "{\"generated_text\":\"a😀b\"}",
                remote.worker().post("/generate", "{\"prompt\":\"x\"}").body());
    }

    @Test
    void choicesWithoutEndAreRefused() {
        for (var n : List.of(Integer.MAX_VALUE, Long.MAX_VALUE, Double.POSITIVE_INFINITY)) {
            var request = new OpenAiRequest(OpenAiRequest.Form.TEXT, Map.of("n", n, "prompt", List.of("a", "b")), "");
            assertThrows(ParameterException.class, request::choices);
        }
    }

    @Test
    void whatTheServerRefusesIsToldInItsWords() throws Exception {
        remote.server()
                .answers((_, wire) -> wire.json(
                        400,
                        "{\"error\":{\"message\":\"This model's maximum context length is 8 tokens\",\"type\":\"BadRequestError\","
                                + "\"code\":400}}"));
        for (var stream : List.of("false", "true")) {
            var answer = remote.worker().post(CHAT, "{\"messages\":[],\"stream\":" + stream + "}");
            assertEquals(400, answer.statusCode());
            assertEquals(
                    "{\"error\":{\"message\":\"This model's maximum context length is 8 tokens\","
                            + "\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"context_length_exceeded\"}}",
                    answer.body());
        }
        assertEquals(2, remote.worker().stats.refused("invalid"));
        assertEquals(0, remote.worker().stats.requests());
    }

    @Test
    void aDeadlineEndsEachChoiceThatGoesOn() throws Exception {
        remote.server().answers((_, wire) -> {
            wire.stream().event(ChatEvents.of("{\"index\":0,\"delta\":{\"content\":\"a\"}}"));
            wire.event(ChatEvents.of("{\"index\":1,\"delta\":{\"content\":\"b\"},\"finish_reason\":\"stop\"}"));
            wire.awaitLeft();
        });
        try (var hurried = new RemoteWorker(Map.of("REQUEST_TIMEOUT", "2"), remote.server())) {
            hurried.awaitReady();
            var atOnce = RunningWorker.HTTP.sendAsync(
                    hurried.worker
                            .request(CHAT)
                            .POST(HttpRequest.BodyPublishers.ofString("{\"messages\":[],\"n\":2}"))
                            .build(),
                    HttpResponse.BodyHandlers.ofString());
            var events = Events.post(hurried.worker, CHAT, "{\"messages\":[],\"n\":2,\"stream\":true}");
            assertEquals(
                    "[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"length\"}]",
                    Events.json(events.get(2)).get("choices").toString());
            assertEquals("[DONE]", events.get(3));
            remote.server().next().awaitLeft();
            var whole = Events.json(atOnce.join().body());
            assertEquals(
                    "length", whole.get("choices").get(0).get("finish_reason").asText());
            assertEquals(
                    "stop", whole.get("choices").get(1).get("finish_reason").asText());
            hurried.assertIdle();
        }
    }
}
