package dev.llmworker.serving.beans;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.generation.Generator;
import dev.llmworker.generation.MockGenerator;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedWorker;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;

/// From texts and conversations to tokens, and back. The scripted model's tokens are bytes and two control tokens.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
class TokenizeTest {
    private static final String START = "<|im_start|>";
    private static final String END = "<|im_end|>";

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

    private JsonNode post(String path, String body) throws Exception {
        var answer = worker.post(path, body.replace('\'', '"'));
        assertEquals(200, answer.statusCode(), answer.body());
        return Events.json(answer.body());
    }

    private String text(JsonNode tokens) throws Exception {
        return post("/detokenize", "{'tokens':" + tokens + "}").get("prompt").asText();
    }

    @Test
    void aTextHasItsTokens() throws Exception {
        assertEquals(
                Events.json("{\"count\":3,\"max_model_len\":8192,\"tokens\":[97,195,169]}"),
                post("/tokenize", "{'prompt':'aé','model':'scripted'}"));
        assertEquals(
                Events.json("[\"a\",\"\uFFFD\",\"\uFFFD\",\"" + START + "\"]"),
                post("/tokenize", "{'prompt':'aé" + START + "','add_special_tokens':false,'return_token_strs':true}")
                        .get("token_strs"));
        assertEquals(0, post("/tokenize", "{'prompt':''}").get("count").asInt());
        assertEquals("", text(Events.json("[]")));
        // Bytes that are no character.
        assertEquals("a\uFFFD", text(Events.json("[97,195]")));
    }

    @Test
    void aConversationIsRenderedAsForAnAnswer() throws Exception {
        var conversation = "{'messages':[{'role':'user','content':'Hi " + END + "'}]";
        var plain = post("/tokenize", conversation + "}");
        assertEquals(START + "user\nHi " + END + END + "\n" + START + "assistant\n", text(plain.get("tokens")));
        // The name of a control token in a message is text.
        assertEquals(256 + 1, plain.at("/tokens/0").asInt());
        assertEquals('<', plain.at("/tokens/9").asInt());
        var tools =
                post("/tokenize", conversation + ",'tools':[{'type':'function','function':{'name':'add_numbers'}}]}");
        assertTrue(text(tools.get("tokens")).contains("add_numbers"));
        var answered = post("/v1/chat/completions", conversation + ",'max_tokens':1}");
        assertEquals(answered.at("/usage/prompt_tokens"), plain.get("count"));
    }

    @Test
    void aLongTextComesBack() throws Exception {
        var text = "Grüße, ".repeat(3000);
        assertEquals(text, text(post("/tokenize", "{'prompt':'" + text + "'}").get("tokens")));
    }

    @Test
    void whatIsWrongIsNamed() throws Exception {
        var wrong = new LinkedHashMap<String, String>();
        wrong.put("{}", "prompt is missing; it must be a string");
        wrong.put("{'prompt':7}", "prompt is 7; it must be a string");
        wrong.put("{'prompt':'x','messages':[]}", "messages and prompt are both there; send one of them");
        wrong.put("{'prompt':'x','add_special_tokens':1}", "add_special_tokens is 1; it must be true or false");
        wrong.put("{'prompt':'x','return_token_strs':1}", "return_token_strs is 1; it must be true or false");
        wrong.put("{'prompt':'x','tools':[{}]}", "tools is not supported");
        wrong.put(
                "{'messages':[{'role':'user','content':'x'}],'add_generation_prompt':false}",
                "add_generation_prompt is false; it must be true");
        wrong.put(
                "{'messages':[{'role':'user','content':'x'}],'add_special_tokens':true}",
                "add_special_tokens is true; it must be false");
        assertRefused("/tokenize", wrong);
        wrong.clear();
        wrong.put("{}", "tokens is null; it must be a list of token ids");
        wrong.put("{'tokens':'x'}", "tokens is \"x\"; it must be a list of token ids");
        wrong.put("{'tokens':[1.5]}", "tokens[0] is 1.5; it must be a whole number");
        wrong.put("{'tokens':[1,258]}", "tokens[1] is 258; this model's tokens are 0 to 257");
        wrong.put("{'tokens':[-1]}", "tokens[0] is -1; this model's tokens are 0 to 257");
        assertRefused("/detokenize", wrong);
        assertEquals(
                404,
                worker.post("/tokenize", "{\"prompt\":\"x\",\"model\":\"other\"}")
                        .statusCode());
    }

    private void assertRefused(String path, Map<String, String> wrong) throws Exception {
        for (var body : wrong.entrySet()) {
            var answer = worker.post(path, body.getKey().replace('\'', '"'));
            assertEquals(400, answer.statusCode(), body.getKey() + answer.body());
            var error = Events.json(answer.body()).get("error").asText();
            assertTrue(error.startsWith(body.getValue()), () -> body.getKey() + error);
        }
    }

    /// Of 20,000 ids of a control token the text is three times as long as the body.
    @Test
    void aTextCountsBeforeItIsMade() throws Exception {
        try (var own = ScriptedWorker.generator();
                var small = new RunningWorker(own, Map.of("MEMORY_BUDGET", "2000000"))) {
            for (var count : new int[] {1_000, 20_000}) {
                var plain = small.post("/detokenize", "{\"tokens\":[" + "100,".repeat(count) + "100]}");
                assertEquals(200, plain.statusCode(), plain.body());
            }
            var answer = small.post("/detokenize", "{\"tokens\":[" + "256,".repeat(20_000) + "256]}");
            assertEquals(503, answer.statusCode());
            assertTrue(answer.body().contains("out_of_memory_budget"), answer.body());
            Await.until("nothing is held", () -> small.port().memory().usedBytes() == 0);
        }
    }

    @Test
    void toolsCountWhileTheirConversationIsEncoded() throws Exception {
        var tool = "\"name\":\"f\",\"%s\":{\"type\":\"object\",\"title\":\"" + "x".repeat(50_000) + "\"}";
        var bodies = Map.of(
                "/tokenize",
                "{\"tools\":[{\"type\":\"function\",\"function\":{" + tool.formatted("parameters") + "}}],",
                "/v1/messages/count_tokens",
                "{\"model\":\"scripted\",\"tools\":[{" + tool.formatted("input_schema") + "}],");
        try (var own = ScriptedWorker.generator();
                var small = new RunningWorker(own, Map.of("MEMORY_BUDGET", "1100000"))) {
            for (var body : bodies.entrySet()) {
                var answer = small.post(
                        body.getKey(), body.getValue() + "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
                assertEquals(413, answer.statusCode(), answer.body());
                assertTrue(answer.body().contains("MEMORY_BUDGET"), answer.body());
                Await.until("nothing is held", () -> small.port().memory().usedBytes() == 0);
            }
        }
    }

    @Test
    void anEngineWithoutATokenizerSaysSo() throws Exception {
        try (var mock = RunningWorker.with(new MockGenerator())) {
            for (var body : Map.of("/tokenize", "{\"prompt\":\"x\"}", "/detokenize", "{\"tokens\":[1]}")
                    .entrySet()) {
                var answer = mock.post(body.getKey(), body.getValue());
                assertEquals(400, answer.statusCode());
                assertTrue(answer.body().contains(body.getKey().substring(1) + " is not supported"), answer.body());
            }
        }
    }
}
