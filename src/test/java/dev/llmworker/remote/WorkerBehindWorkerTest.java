package dev.llmworker.remote;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.llmworker.generation.Generator;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.RemoteWorker;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedWorker;
import dev.llmworker.testing.TestSocket;
import java.nio.file.Path;
import java.util.Map;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A worker with `ENGINE=openai` in front of one that generates itself: tools and formats, from one end to the other.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
class WorkerBehindWorkerTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String CALL = "<tool_call>\n{\"name\": \"lookup\", \"arguments\": {\"id\": 7}}\n</tool_call>";
    private static final String CALLS = "I look.\n" + CALL + "\n" + CALL.replace("7", "8");

    /// The end of the reasoning, after which a format begins.
    private static final String THOUGHT = "<think>\nHm.\n</think>\n\n";

    private final Generator generator = ScriptedWorker.generator();
    private RunningWorker behind;
    private RemoteWorker front;

    @BeforeAll
    void start(@TempDir Path folder) throws Exception {
        behind = new RunningWorker(generator, Map.of());
        var routes = RouteFolder.in(folder)
                .route(
                        "lookup",
                        "'llm-tool:lookup?tags=orders&parameter.id=integer&parameter.id.required=true&parameter.id.enum=7,8'",
                        "setBody: {simple: 'order ${header.id}'}")
                .route(
                        "step",
                        "platform-http:/step",
                        "convertBodyTo: {type: String}",
                        "to: 'llm:generate?tools=orders&maxTokens=1000'")
                .route("yes", "platform-http:/yes", "convertBodyTo: {type: String}", "to: 'llm:generate?choice=yes,no'")
                .path();
        front = new RemoteWorker(Map.of(
                "ENGINE_BASE_URL", behind.uri("/v1").toString(),
                "ROUTES", routes.toString(),
                "ROUTE_TOOLS", "orders"));
        front.awaitReady();
    }

    @AfterAll
    void stop() {
        front.close();
        behind.close();
        generator.close();
    }

    private static ObjectNode request(String says) {
        var request = JSON.createObjectNode();
        request.putArray("messages").addObject().put("role", "user").put("content", ScriptedWorker.SAY + says);
        request.putArray("tools")
                .addObject()
                .put("type", "route")
                .putArray("tags")
                .add("orders");
        return request;
    }

    private JsonNode post(String path, ObjectNode request) throws Exception {
        var answer = front.worker.post(path, request.toString());
        assertEquals(200, answer.statusCode(), answer.body());
        return Events.json(answer.body());
    }

    @Test
    void theModelBehindCallsRoutesInFront() throws Exception {
        var body = post("/v1/chat/completions", request(CALLS));
        // The last of the two results.
        assertEquals(
                "The tool says: order 8", body.at("/choices/0/message/content").asText());
        assertEquals("stop", body.at("/choices/0/finish_reason").asText());
        assertTrue(body.at("/usage/completion_tokens").asInt() > CALLS.length(), body.toString());
        assertEquals(
                "The tool says: order 8",
                front.worker.post("/step", ScriptedWorker.SAY + CALLS).body());
        var single = post("/v1/chat/completions", request(CALLS).put("parallel_tool_calls", false));
        assertEquals(
                "The tool says: order 7",
                single.at("/choices/0/message/content").asText());
    }

    @Test
    void aCallIsRequiredThere() throws Exception {
        var request = request(THOUGHT + "No.");
        request.put("tool_choice", "required").put("max_tokens", 1000);
        assertTrue(
                post("/v1/chat/completions", request)
                        .at("/choices/0/message/content")
                        .asText()
                        .startsWith("The tool says: order "),
                "whatever the model wants");
    }

    @Test
    void reasoningComesApartAndItsLimitHolds() throws Exception {
        var thinks = "<think>\n" + "Hm. ".repeat(20) + "\n</think>\n\nDone.";
        var free = post("/v1/chat/completions", request(thinks)).at("/choices/0/message");
        assertTrue(free.get("reasoning_content").asText().startsWith("Hm. Hm."), free.toString());
        assertEquals("Done.", free.get("content").asText());
        var bounded = post("/v1/chat/completions", request(thinks).put("max_reasoning_tokens", 5));
        assertNotEquals(free, bounded.at("/choices/0/message"));
        assertTrue(bounded.at("/choices/0/message/reasoning_content").asText().length() < 12, bounded.toString());
        assertTrue(
                bounded.at("/usage/completion_tokens_details/reasoning_tokens").asInt() > 0, bounded.toString());
    }

    @Test
    void thinkingOfAnthropicsApiHasItsLimitThere() throws Exception {
        var thinks = "<think>\n" + "Hm. ".repeat(500) + "\n</think>\n\nDone.";
        for (var budget : new int[] {0, 1024, 3000}) {
            var request = request(thinks).put("max_tokens", 5000);
            request.remove("tools");
            if (budget > 0) {
                request.putObject("thinking").put("type", "enabled").put("budget_tokens", budget);
            }
            var thought = post("/v1/messages", request)
                    .at("/usage/output_tokens_details/thinking_tokens")
                    .asInt();
            assertTrue(thought <= budget + 10, thought + " tokens of " + budget);
            assertEquals(budget > 0, thought > 10);
            assertEquals(budget == 3000, thought > 1100);
        }
    }

    @Test
    void aStreamHasAllOfIt() throws Exception {
        var text = new StringBuilder();
        var request = request(THOUGHT + CALLS).put("stream", true);
        for (var event : Events.post(front.worker, "/v1/chat/completions", request.toString())) {
            if (!event.equals("[DONE]")) {
                var delta = Events.json(event).at("/choices/0/delta");
                text.append(delta.path("reasoning_content").asText())
                        .append(delta.path("content").asText());
            }
        }
        assertEquals("Hm.I look.The tool says: order 8", text.toString());
    }

    @Test
    void formatsAreEnforcedThereOnEachRoute() throws Exception {
        var pattern = "[a-f]{3}-[0-9]{2}";
        for (var raw : new boolean[] {false, true}) {
            var request = JSON.createObjectNode()
                    .put("prompt", ScriptedWorker.SAY + THOUGHT + "no")
                    .put("raw", raw);
            request.putObject("structured_outputs").put("regex", pattern);
            var text = post("/generate", request).get("generated_text").asText();
            assertTrue(Pattern.matches(pattern, text), text);
        }
        var schema = JSON.createObjectNode().put("prompt", ScriptedWorker.SAY + THOUGHT + "no");
        schema.putObject("guided_json").put("type", "boolean");
        assertTrue(Events.json(post("/generate", schema).get("generated_text").asText())
                .isBoolean());
        assertTrue(Pattern.matches(
                "yes|no",
                front.worker.post("/yes", ScriptedWorker.SAY + THOUGHT).body()));
        try (var socket = front.worker.socket("/ws")) {
            var request = JSON.createObjectNode().put("prompt", ScriptedWorker.SAY + THOUGHT);
            request.putArray("guided_choice").add("salt").add("iron");
            socket.send(request.toString());
            var frames = socket.answer();
            assertTrue(Pattern.matches("salt|iron", TestSocket.text(frames)), frames.toString());
        }
    }
}
