package dev.llmworker.remote;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.generation.AnswerParts;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Prompt;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.testing.ChatEvents;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.RemoteExtension;
import dev.llmworker.text.chat.ChatMessage;
import dev.llmworker.text.tools.ToolUse;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeMap;
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

    private static final String TOOLS =
            ",'tools':[{'name':'now','input_schema':{'type':'object'}},{'name':'weather','input_schema':{'type':'object'}}]";

    private static String calls(String pieces) {
        return ChatEvents.of(
                ("{'index':0,'delta':{'tool_calls':[" + pieces + "]},'finish_reason':null}").replace('\'', '"'));
    }

    @Test
    void callsWithoutArgumentsAreBlocksOfTheirOwn() throws Exception {
        remote.server()
                .answers((_, wire) -> wire.stream()
                        .event(calls("{'index':0,'id':'a','function':{'name':'now','arguments':''}}"))
                        .event(calls("{'index':1,'id':'b','function':{'name':'weather','arguments':'{\\'city\\':'}}"))
                        .event(calls("{'index':1,'function':{'arguments':'\\'x\\'}'}}"))
                        .event(calls("{'index':2,'id':'c','function':{'name':'now'}}"))
                        .delta("done")
                        .end("tool_calls", 11, 5));
        var events = Events.named(Events.open(remote.worker(), MESSAGES, body(TOOLS + ",'stream':true")));
        var blocks = new TreeMap<Integer, String>();
        for (var event : events) {
            var index = event.path("index").asInt();
            switch (event.get("type").asText()) {
                case "content_block_start" ->
                    blocks.put(index, event.at("/content_block/type").asText() + " ");
                case "content_block_delta" -> {
                    assertEquals(blocks.lastKey(), index);
                    blocks.merge(
                            index,
                            event.at("/delta/partial_json").asText()
                                    + event.at("/delta/text").asText(),
                            String::concat);
                }
                default -> {}
            }
        }
        assertEquals(
                "[tool_use {}, tool_use {\"city\":\"x\"}, tool_use {}, text done]",
                blocks.values().toString());
    }

    @Test
    void inputIsAnObject() throws Exception {
        for (var arguments : List.of("null", "[1]", "7", "x", "{} {}", "{")) {
            remote.server()
                    .answers((_, wire) -> wire.stream()
                            .event(calls(
                                    "{'index':0,'id':'a','function':{'name':'now','arguments':'" + arguments + "'}}"))
                            .end("tool_calls", 11, 5));
            var answer = remote.worker().post(MESSAGES, body(TOOLS));
            assertEquals(502, answer.statusCode(), arguments + answer.body());
        }
        for (var arguments : List.of("", "{", "{}")) {
            remote.server()
                    .answers((_, wire) -> wire.stream()
                            .event(calls(
                                    "{'index':0,'id':'a','function':{'name':'now','arguments':'" + arguments + "'}}"))
                            .end("length", 11, 5));
            var answer = remote.worker().post(MESSAGES, body(TOOLS));
            assertEquals("{}", Events.json(answer.body()).at("/content/0/input").toString(), answer.body());
        }
    }

    @Test
    void theServersReasonIsKept() throws Exception {
        remote.server().answers((_, wire) -> wire.stream().delta("a").end("content_filter", 11, 5));
        var answer = Events.json(remote.worker().post(MESSAGES, body("")).body());
        assertEquals("refusal", answer.get("stop_reason").asText());
        remote.server()
                .answers((_, wire) -> wire.stream()
                        .delta("a")
                        .event(ChatEvents.of(
                                "{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\",\"stop_reason\":\"x\"}"))
                        .event("[DONE]")
                        .raw("0\r\n\r\n"));
        answer = Events.json(
                remote.worker().post(MESSAGES, body(",'stop_sequences':['x']")).body());
        assertEquals("stop_sequence", answer.get("stop_reason").asText());
        assertEquals("x", answer.get("stop_sequence").asText());
    }

    /// The server's list of models does not say what it is.
    @Test
    void aServerOfOpenAisApiGetsOnlyTheVariablesThatTheClientWrote() throws Exception {
        var enabled = ",'thinking':{'type':'enabled','budget_tokens':2000}";
        for (var more : List.of("", enabled)) {
            var request = asked(more);
            assertFalse(request.has("chat_template_kwargs") || request.has("max_reasoning_tokens"), request + "");
        }
        assertEquals(
                Events.json("{\"thinking\":true,\"x\":1}"),
                asked(",'chat_template_kwargs':{'thinking':true,'x':1}").get("chat_template_kwargs"));
    }

    private JsonNode asked(String more) throws Exception {
        remote.server().answers((_, wire) -> wire.stream().delta("a").end("stop", 11, 5));
        assertEquals(200, remote.worker().post(MESSAGES, body(more)).statusCode());
        return remote.server().next().body();
    }

    @Test
    void otherServersGetWhatTheyKnow() throws Exception {
        for (var dialect : Dialect.values()) {
            var request = new GenerationRequest(
                            new Prompt.Chat(List.of(ChatMessage.user("hi")), Map.of("thinking", true, "x", 1)),
                            OptionalInt.empty(),
                            SamplingParameters.greedy(),
                            false)
                    .withParts(new AnswerParts(ToolUse.NONE, OptionalInt.of(2000), true, Set.of("thinking")));
            var json = Events.json(ApiRequest.of(request).json("m", dialect).toString());
            assertEquals(
                    dialect != Dialect.OPENAI, json.at("/chat_template_kwargs").has("thinking"), json + "");
            assertTrue(json.at("/chat_template_kwargs").has("x"));
            assertEquals(
                    dialect == Dialect.WORKER ? 2000 : -1,
                    json.path("max_reasoning_tokens").asInt(-1));
        }
    }
}
