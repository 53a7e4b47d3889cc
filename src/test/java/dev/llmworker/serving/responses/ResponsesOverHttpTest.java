package dev.llmworker.serving.responses;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.llmworker.generation.Generator;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedWorker;
import java.util.ArrayList;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;

/// From the tokens of a model to responses, whole and streamed.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
class ResponsesOverHttpTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String RESPONSES = "/v1/responses";
    private static final String ADD = """
        [{"type":"function","name":"add","description":"Adds.","parameters":{"type":"object",
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
        var request = JSON.createObjectNode().put("model", "scripted").put("input", ScriptedWorker.SAY + says);
        request.set("tools", JSON.readTree(ADD));
        return request;
    }

    private JsonNode answer(ObjectNode request) throws Exception {
        var answer = worker.post(RESPONSES, request.toString());
        assertEquals(200, answer.statusCode(), answer.body());
        return Events.json(answer.body());
    }

    /// The response that the deltas of a stream make up. What its other events say of it must be the same.
    private JsonNode streamed(ObjectNode request) throws Exception {
        var output = JSON.createArrayNode();
        var deltas = new ArrayList<StringBuilder>();
        var number = 0;
        JsonNode last = JSON.createObjectNode();
        for (var event : Events.named(
                Events.open(worker, RESPONSES, request.put("stream", true).toString()))) {
            assertEquals(number++, event.get("sequence_number").asInt());
            var type = event.get("type").asText();
            var index = event.path("output_index").asInt();
            last = event;
            if (event.has("item_id")) {
                assertEquals(output.get(index).get("id"), event.get("item_id"));
            }
            if (type.endsWith(".delta")) {
                deltas.get(index).append(event.get("delta").asText());
            } else if (type.equals("response.output_item.added")) {
                assertEquals(output.size(), index);
                output.add(event.get("item"));
                deltas.add(new StringBuilder());
            } else if (type.equals("response.output_item.done")) {
                output.set(index, event.get("item"));
            } else if (type.equals("response.content_part.done")) {
                assertEquals(
                        deltas.get(index).toString(), event.at("/part/text").asText());
            } else if (type.endsWith(".done")) {
                var name = type.contains("arguments") ? "arguments" : "text";
                assertEquals(deltas.get(index).toString(), event.get(name).asText());
            }
        }
        var response = last.get("response");
        assertEquals(output, response.get("output"));
        return response;
    }

    /// Without what differs in each response.
    private static JsonNode essence(JsonNode response) {
        var essence = (ObjectNode) response.deepCopy();
        essence.remove("id");
        essence.remove("created_at");
        ((ObjectNode) essence.get("usage")).remove("input_tokens_details");
        for (var item : (ArrayNode) essence.get("output")) {
            ((ObjectNode) item).remove("id");
            ((ObjectNode) item).remove("call_id");
        }
        return essence;
    }

    /// Wherever the answer is cut, a stream has what the whole answer has.
    @Test
    void deltasAreTheWholeAnswerAtEveryCut() throws Exception {
        var says = THOUGHT + "I add, é.\n" + CALL;
        var full = answer(request(says));
        assertEquals("completed", full.get("status").asText());
        assertEquals(3, full.get("output").size(), full.toString());
        assertEquals("{\"a\": 2, \"b\": 3}", full.at("/output/2/arguments").asText());
        var tokens = full.at("/usage/output_tokens").asInt();
        for (var cut = 1; cut <= tokens; cut++) {
            var request = request(says).put("max_output_tokens", cut);
            var whole = answer(request);
            assertEquals(essence(whole), essence(streamed(request)), "cut at " + cut);
            if (cut < tokens - 1) {
                assertEquals("incomplete", whole.get("status").asText(), "cut at " + cut);
            }
        }
    }

    @Test
    void aCallIsAnsweredInTheNextResponse() throws Exception {
        var turn = answer(request(THOUGHT + CALL));
        assertTrue(turn.at("/usage/output_tokens_details/reasoning_tokens").asInt() > 0, turn.toString());
        var next = request("").put("previous_response_id", turn.get("id").asText());
        next.putArray("input")
                .addObject()
                .put("type", "function_call_output")
                .put("call_id", turn.at("/output/1/call_id").asText())
                .put("output", "5");
        var answer = answer(next);
        assertEquals("The tool says: 5", answer.at("/output/0/content/0/text").asText());
    }
}
