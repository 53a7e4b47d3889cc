package dev.llmworker.serving.openai;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.llmworker.generation.Generator;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedWorker;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;

/// From the tokens of a model that calls tools and thinks to the messages of OpenAI's API, whole and streamed.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
class CallsOverHttpTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String CHAT = "/v1/chat/completions";
    private static final String ADD = """
        [{"type":"function","function":{"name":"add","description":"Adds.","parameters":{"type":"object",
          "properties":{"a":{"type":"integer"},"b":{"type":"integer"}},"required":["a","b"],
          "additionalProperties":false}}}]\
        """;
    private static final String CALL =
            "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 2, \"b\": 3}}\n</tool_call>";

    private final Generator generator = ScriptedWorker.generator();
    private RunningWorker worker;

    @BeforeAll
    void start() throws Exception {
        worker = new RunningWorker(generator, Map.of());
    }

    @AfterAll
    void stop() {
        worker.close();
        generator.close();
    }

    /// A request whose answer is `says`.
    private static ObjectNode request(String says) throws Exception {
        var request = JSON.createObjectNode();
        request.putArray("messages").addObject().put("role", "user").put("content", ScriptedWorker.SAY + says);
        request.set("tools", JSON.readTree(ADD));
        return request;
    }

    private JsonNode answer(ObjectNode request) throws Exception {
        var answer = worker.post(CHAT, request.toString());
        assertEquals(200, answer.statusCode(), answer.body());
        return Events.json(answer.body());
    }

    /// The message that the deltas of a stream make up, as OpenAI's clients put them together.
    private ObjectNode streamed(ObjectNode request) throws Exception {
        var message = JSON.createObjectNode();
        var calls = new TreeMap<Integer, ObjectNode>();
        for (var event : Events.post(worker, CHAT, request.put("stream", true).toString())) {
            if (event.equals("[DONE]")) {
                continue;
            }
            var choice = Events.json(event).get("choices").get(0);
            var delta = choice.get("delta");
            for (var name : new String[] {"content", "reasoning_content"}) {
                if (delta.has(name)) {
                    message.put(
                            name, message.path(name).asText() + delta.get(name).asText());
                }
            }
            for (var call : delta.path("tool_calls")) {
                var index = call.get("index").asInt();
                var before = calls.get(index);
                if (before == null) {
                    assertEquals("", call.at("/function/arguments").asText(), "the name comes first");
                    calls.put(index, ((ObjectNode) call).without("index"));
                } else {
                    var function = (ObjectNode) before.get("function");
                    function.put(
                            "arguments",
                            function.get("arguments").asText()
                                    + call.at("/function/arguments").asText());
                }
            }
            if (!choice.get("finish_reason").isNull()) {
                message.set("finish_reason", choice.get("finish_reason"));
            }
        }
        if (!calls.isEmpty()) {
            ((ArrayNode) message.putArray("tool_calls")).addAll(calls.values());
        }
        return message;
    }

    private static JsonNode withoutIds(JsonNode calls) {
        calls.forEach(call -> ((ObjectNode) call).remove("id"));
        return calls;
    }

    @Test
    void aCallTheModelChoosesIsInTheMessageAndInTheStream() throws Exception {
        var body = answer(request("Let me add.\n" + CALL + "\n" + CALL));
        var choice = body.get("choices").get(0);
        assertEquals("tool_calls", choice.get("finish_reason").asText());
        var message = choice.get("message");
        assertEquals("Let me add.", message.get("content").asText().strip());
        var calls = message.get("tool_calls");
        assertEquals(2, calls.size());
        assertFalse(calls.get(0).get("id").equals(calls.get(1).get("id")));
        for (var call : calls) {
            assertEquals("function", call.get("type").asText());
            assertEquals("add", call.at("/function/name").asText());
            assertEquals(
                    JSON.readTree("{\"a\":2,\"b\":3}"),
                    JSON.readTree(call.at("/function/arguments").asText()));
        }
        var streamed = streamed(request("Let me add.\n" + CALL + "\n" + CALL));
        assertEquals("tool_calls", streamed.get("finish_reason").asText());
        assertEquals(message.get("content"), streamed.get("content"));
        assertEquals(withoutIds(calls), withoutIds(streamed.get("tool_calls")));
    }

    @Test
    void anAnswerThatOnlyCallsHasNoContent() throws Exception {
        var message = answer(request(CALL)).at("/choices/0/message");
        assertTrue(message.get("content").isNull(), message.toString());
        assertEquals(1, message.get("tool_calls").size());
    }

    @Test
    void theResultOfACallIsReadByTheModel() throws Exception {
        var request = request(CALL);
        var message = (ObjectNode) answer(request).at("/choices/0/message");
        var result = ((ArrayNode) request.get("messages")).add(message).addObject();
        result.put("role", "tool").put("content", "5");
        result.set("tool_call_id", message.at("/tool_calls/0/id"));
        var next = answer(request).get("choices").get(0);
        assertEquals("The tool says: 5", next.at("/message/content").asText());
        assertEquals("stop", next.get("finish_reason").asText());
    }

    @Test
    void reasoningIsApartAndCounted() throws Exception {
        var body = answer(request("<think>\nTwo and three.\n</think>\n\nFive."));
        var message = body.at("/choices/0/message");
        assertEquals("Two and three.", message.get("reasoning_content").asText().strip());
        assertEquals("Five.", message.get("content").asText().strip());
        var details = body.at("/usage/completion_tokens_details");
        assertTrue(details.get("reasoning_tokens").asInt() >= "Two and three.".length(), body.toString());
        var streamed = streamed(request("<think>\nTwo and three.\n</think>\n\nFive."));
        assertEquals(message.get("reasoning_content"), streamed.get("reasoning_content"));
        assertEquals(message.get("content"), streamed.get("content"));
        var both = answer(request("<think>\nI add.\n</think>\n\n" + CALL)).at("/choices/0/message");
        assertEquals("I add.", both.get("reasoning_content").asText().strip());
        assertEquals(1, both.get("tool_calls").size());
    }

    @Test
    void onOtherRoutesThinkingIsPartOfTheText() throws Exception {
        var text = "<think>\nhm\n</think>\n\nFive.";
        var body =
                JSON.createObjectNode().put("prompt", ScriptedWorker.SAY + text).put("details", true);
        var answer = Events.json(worker.post("/generate", body.toString()).body());
        assertEquals(text, answer.get("generated_text").asText());
        assertTrue(answer.at("/usage/prompt_tokens_details").has("cached_tokens"), answer.toString());
    }

    @Test
    void withoutToolsACallIsText() throws Exception {
        var request = request(CALL).put("tool_choice", "none");
        var message = answer(request).at("/choices/0/message");
        assertEquals(CALL, message.get("content").asText());
        assertFalse(message.has("tool_calls"));
        request.remove("tool_choice");
        request.remove("tools");
        assertEquals(CALL, answer(request).at("/choices/0/message/content").asText());
    }

    @Test
    void eachChoiceHasItsCalls() throws Exception {
        var choices = answer(request(CALL + "\n" + CALL).put("n", 3)).get("choices");
        assertEquals(3, choices.size());
        var ids = new HashSet<String>();
        for (var choice : choices) {
            assertEquals(2, choice.at("/message/tool_calls").size());
            choice.at("/message/tool_calls")
                    .forEach(call -> ids.add(call.get("id").asText()));
            assertEquals("tool_calls", choice.get("finish_reason").asText());
        }
        assertEquals(6, ids.size());
        var streamed = new TreeMap<String, String>();
        var request = request(CALL + "\n" + CALL).put("n", 3).put("stream", true);
        for (var event : Events.post(worker, CHAT, request.toString())) {
            var choice = event.equals("[DONE]")
                    ? JSON.createObjectNode()
                    : Events.json(event).get("choices").get(0);
            for (var call : choice.at("/delta/tool_calls")) {
                streamed.merge(
                        choice.get("index") + "/" + call.get("index"),
                        call.at("/function/name").asText()
                                + call.at("/function/arguments").asText(),
                        String::concat);
            }
        }
        assertEquals(Set.of("0/0", "0/1", "1/0", "1/1", "2/0", "2/1"), streamed.keySet());
        assertEquals(Set.of("add{\"a\": 2, \"b\": 3}"), Set.copyOf(streamed.values()));
    }

    @Test
    void withoutParallelCallsTheAnswerEndsAfterTheFirst() throws Exception {
        var request = request(CALL + "\n" + CALL).put("parallel_tool_calls", false);
        var choice = answer(request).get("choices").get(0);
        assertEquals(1, choice.at("/message/tool_calls").size());
        assertEquals("tool_calls", choice.get("finish_reason").asText());
        assertEquals(1, streamed(request).get("tool_calls").size());
        for (var each : answer(request(CALL + "\n" + CALL)
                        .put("parallel_tool_calls", false)
                        .put("n", 2))
                .get("choices")) {
            assertEquals(1, each.at("/message/tool_calls").size());
        }
    }

    @Test
    void aCallThatIsCutEndsByItsLength() throws Exception {
        var choice = answer(request(CALL).put("max_tokens", 30)).get("choices").get(0);
        assertEquals("length", choice.get("finish_reason").asText());
    }

    @Test
    void aSchemaThatCannotBeEnforcedIsRefusedByItsTool() throws Exception {
        var request = request(CALL);
        ((ObjectNode) request.at("/tools/0/function/parameters"))
                .putObject("not")
                .put("type", "string");
        var answer = worker.post(CHAT, request.toString());
        assertEquals(400, answer.statusCode(), answer.body());
        assertTrue(answer.body().contains("tools") && answer.body().contains("$.not"), answer.body());
    }
}
