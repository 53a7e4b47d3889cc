package dev.llmworker.serving.anthropic;

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
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;

/// From the tokens of a model to the messages of Anthropic's API, whole and streamed.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
class MessagesOverHttpTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String MESSAGES = "/v1/messages";
    private static final String ADD = """
        [{"name":"add","description":"Adds.","input_schema":{"type":"object",
          "properties":{"a":{"type":"integer"},"b":{"type":"integer"}},"required":["a","b"]}}]\
        """;
    private static final String CALL =
            "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 2, \"b\": 3}}\n</tool_call>";
    private static final String THOUGHT = "<think>\nTwo and three.\n</think>\n\n";

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
        var request = JSON.createObjectNode().put("model", "scripted").put("max_tokens", 4000);
        request.putArray("messages").addObject().put("role", "user").put("content", ScriptedWorker.SAY + says);
        request.set("tools", JSON.readTree(ADD));
        return request;
    }

    private static ObjectNode thinking(String says) throws Exception {
        var request = request(says);
        request.putObject("thinking").put("type", "enabled").put("budget_tokens", 2000);
        return request;
    }

    private JsonNode answer(ObjectNode request) throws Exception {
        var answer = worker.post(MESSAGES, request.toString());
        assertEquals(200, answer.statusCode(), answer.body());
        return Events.json(answer.body());
    }

    /// The message that the events of a stream make up, as Anthropic's clients put them together.
    private ObjectNode streamed(ObjectNode request) throws Exception {
        var message = JSON.createObjectNode();
        var arguments = new StringBuilder();
        for (var event : Events.named(
                Events.open(worker, MESSAGES, request.put("stream", true).toString()))) {
            var type = event.get("type").asText();
            if (type.equals("message_start")) {
                message.setAll((ObjectNode) event.get("message"));
                continue;
            }
            var content = (ArrayNode) message.get("content");
            switch (type) {
                case "content_block_start" -> {
                    assertEquals(content.size(), event.get("index").asInt());
                    content.add(event.get("content_block"));
                    arguments.setLength(0);
                }
                case "content_block_delta" -> {
                    var block = (ObjectNode) content.get(event.get("index").asInt());
                    var delta = event.get("delta");
                    arguments.append(delta.path("partial_json").asText());
                    for (var name : new String[] {"text", "thinking", "signature"}) {
                        if (delta.has(name)) {
                            block.put(
                                    name,
                                    block.get(name).asText() + delta.get(name).asText());
                        }
                    }
                }
                case "content_block_stop" -> {
                    if (!arguments.isEmpty()) {
                        ((ObjectNode) content.get(event.get("index").asInt()))
                                .set("input", JSON.readTree(arguments.toString()));
                    }
                }
                case "message_delta" -> {
                    message.setAll((ObjectNode) event.get("delta"));
                    ((ObjectNode) message.get("usage")).setAll((ObjectNode) event.get("usage"));
                }
                default -> assertTrue(type.equals("ping") || type.equals("message_stop"), type);
            }
        }
        return message;
    }

    /// Without what differs from answer to answer: ids, and what was cached.
    private static JsonNode comparable(JsonNode message) {
        var copy = (ObjectNode) message.deepCopy();
        copy.remove("id");
        var usage = (ObjectNode) copy.get("usage");
        usage.put(
                "input_tokens",
                usage.get("input_tokens").asInt()
                        + usage.remove("cache_read_input_tokens").asInt());
        for (var block : copy.get("content")) {
            ((ObjectNode) block).remove("id");
            ((ObjectNode) block).remove("signature");
        }
        return copy;
    }

    private JsonNode same(ObjectNode request) throws Exception {
        var whole = answer(request.deepCopy());
        assertEquals(comparable(whole), comparable(streamed(request.deepCopy())));
        return whole;
    }

    private static String types(JsonNode message) {
        var types = new StringBuilder();
        message.get("content")
                .forEach(block -> types.append(block.get("type").asText()).append(' '));
        return types.toString().strip();
    }

    @Test
    void aStreamMakesUpTheWholeAnswer() throws Exception {
        var answer = same(thinking(THOUGHT + "Let me add.\n" + CALL + "\n" + CALL));
        assertEquals("thinking text tool_use tool_use", types(answer));
        assertEquals("Two and three.", answer.at("/content/0/thinking").asText().strip());
        assertEquals("Let me add.", answer.at("/content/1/text").asText().strip());
        assertEquals(JSON.readTree("{\"a\":2,\"b\":3}"), answer.at("/content/2/input"));
        assertEquals("tool_use", answer.get("stop_reason").asText());
        assertTrue(answer.at("/usage/output_tokens_details/thinking_tokens").asInt() > 0, answer.toString());
        assertEquals("text", types(same(request("Five."))));
        assertEquals("", types(same(request(""))));
        assertEquals(
                "max_tokens",
                same(request("Five.").put("max_tokens", 2)).get("stop_reason").asText());
    }

    @Test
    void theResultOfACallIsReadByTheModel() throws Exception {
        var request = request(CALL);
        var message = answer(request);
        var turn = ((ArrayNode) request.get("messages")).addObject().put("role", "assistant");
        turn.set("content", message.get("content"));
        var result = ((ArrayNode) request.get("messages"))
                .addObject()
                .put("role", "user")
                .putArray("content")
                .addObject();
        result.put("type", "tool_result").put("content", "5");
        result.set("tool_use_id", message.at("/content/0/id"));
        var next = answer(request);
        assertEquals("The tool says: 5", next.at("/content/0/text").asText());
        assertEquals("end_turn", next.get("stop_reason").asText());
    }

    @Test
    void aToolThatMustBeCalledIsCalled() throws Exception {
        for (var choice : new String[] {"{\"type\":\"any\"}", "{\"type\":\"tool\",\"name\":\"add\"}"}) {
            var request = request("I would rather not.");
            request.set("tool_choice", JSON.readTree(choice));
            // The scripted model writes numbers without end.
            request.put("max_tokens", 120);
            assertEquals("tool_use", types(answer(request)));
        }
        var none = request(CALL);
        none.putObject("tool_choice").put("type", "none");
        assertEquals("text", types(answer(none)));
    }

    @Test
    void theStopSequenceThatEndedTheAnswerIsNamed() throws Exception {
        var request = request("One, two, three.");
        request.putArray("stop_sequences").add("four").add(", three").add("three");
        var answer = same(request);
        assertEquals("One, two", answer.at("/content/0/text").asText());
        assertEquals("stop_sequence", answer.get("stop_reason").asText());
        assertEquals(", three", answer.get("stop_sequence").asText());
    }

    @Test
    void anAnswerMayFillTheContext() throws Exception {
        var answer = answer(request("Five.").put("max_tokens", 1_000_000));
        assertEquals("end_turn", answer.get("stop_reason").asText());
        answer = answer(request("x".repeat(500)).put("system", "x".repeat(7400)).put("max_tokens", 1_000_000));
        assertEquals("model_context_window_exceeded", answer.get("stop_reason").asText());
        var tooLong = worker.post(MESSAGES, request("x".repeat(9000)).toString());
        assertEquals(400, tooLong.statusCode());
        var error = Events.json(tooLong.body()).get("error");
        assertEquals("invalid_request_error", error.get("type").asText());
        assertTrue(error.get("message").asText().startsWith("prompt is too long: "), error.toString());
    }

    @Test
    void withoutThinkingTheModelIsStopped() throws Exception {
        var answer = same(request(THOUGHT + "Five."));
        assertFalse(types(answer).contains("thinking"), answer.toString());
    }

    @Test
    void countsAreThoseOfTheAnswer() throws Exception {
        for (var request : new ObjectNode[] {request("Five."), request(CALL), request("x".repeat(5000))}) {
            var usage = answer(request.deepCopy().put("max_tokens", 3)).get("usage");
            request.remove("max_tokens");
            var counted = worker.post(MESSAGES + "/count_tokens", request.toString());
            assertEquals(200, counted.statusCode(), counted.body());
            assertEquals(
                    "{\"input_tokens\":"
                            + (usage.get("input_tokens").asInt()
                                    + usage.get("cache_read_input_tokens").asInt())
                            + "}",
                    counted.body());
        }
        // A prompt that is too long for the model is counted all the same.
        var long9 = worker.post(
                MESSAGES + "/count_tokens", request("x".repeat(9000)).toString());
        assertTrue(Events.json(long9.body()).get("input_tokens").asInt() > 9000, long9.body());
    }

    @Test
    void aStreamBeginsWithTheTokensOfItsPrompt() throws Exception {
        var request = request("Five.");
        var events = Events.named(
                Events.open(worker, MESSAGES, request.put("stream", true).toString()));
        var counted =
                worker.post(MESSAGES + "/count_tokens", request.toString()).body();
        assertEquals(Events.json(counted).get("input_tokens"), events.getFirst().at("/message/usage/input_tokens"));
    }

    @Test
    void aSchemaThatCannotBeEnforcedIsRefusedByItsTool() throws Exception {
        var request = request(CALL);
        ((ObjectNode) request.at("/tools/0/input_schema")).putObject("not").put("type", "string");
        var answer = worker.post(MESSAGES, request.toString());
        assertEquals(400, answer.statusCode(), answer.body());
        assertTrue(answer.body().contains("tools") && answer.body().contains("$.not"), answer.body());
    }
}
