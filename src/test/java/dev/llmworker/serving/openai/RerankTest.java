package dev.llmworker.serving.openai;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.generation.Generator;
import dev.llmworker.generation.Task;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.VectorModel;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;

/// `/v1/rerank` over HTTP. The model's logit of yes counts `+`, that of no counts `-`.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
class RerankTest {
    private static final String PATH = "/v1/rerank";

    private final Generator generator = VectorModel.of(Task.RERANK).start(Task.RERANK);
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

    private JsonNode ok(String body) throws Exception {
        var answer = worker.post(PATH, body.replace('\'', '"'));
        assertEquals(200, answer.statusCode(), answer.body());
        return Events.json(answer.body());
    }

    private static double sigmoid(double x) {
        return 1 / (1 + Math.exp(-x));
    }

    private static List<Integer> order(JsonNode answer) {
        return answer.get("results").findValues("index").stream()
                .map(JsonNode::asInt)
                .toList();
    }

    @Test
    void theBestDocumentComesFirst() throws Exception {
        var answer = ok("{'query':'q','documents':['-','.','++','+-','+'],'model':'vectors'}");
        assertEquals(List.of(2, 4, 1, 3, 0), order(answer));
        assertEquals(sigmoid(2), answer.at("/results/0/relevance_score").asDouble(), 1e-12);
        assertEquals(0.5, answer.at("/results/2/relevance_score").asDouble());
        assertEquals("vectors", answer.get("model").asText());
        assertTrue(answer.get("id").asText().startsWith("rerank-"));
        var tokens = answer.at("/usage/prompt_tokens").asInt();
        assertTrue(tokens > 5 * 100, "with the instruction: " + tokens);
        assertEquals(tokens, answer.at("/usage/total_tokens").asInt());
        assertTrue(answer.at("/results/0/document").isMissingNode());
    }

    /// Cohere's and Jina's documents may be objects; both have these fields.
    @Test
    void documentsAreCutAndReturnedAsAsked() throws Exception {
        var answer =
                ok("{'query':'q','documents':[{'text':'-'},{'text':'+','id':7}],'top_n':1,'return_documents':true}");
        assertEquals(Events.json("[1]").toString(), order(answer).toString());
        assertEquals("+", answer.at("/results/0/document/text").asText());
        assertEquals(
                2, order(ok("{'query':'q','documents':['a','b'],'top_n':50}")).size());
    }

    @Test
    void theQueryAndTheInstructionReachTheModel() throws Exception {
        assertEquals(
                sigmoid(3),
                ok("{'query':'+','instruction':'+','documents':['+']}")
                        .at("/results/0/relevance_score")
                        .asDouble(),
                1e-12);
    }

    @Test
    void whatIsWrongIsNamedWithItsValueAndLimit() throws Exception {
        var wrong = new LinkedHashMap<String, String>();
        wrong.put("{'documents':['a']}", "query is missing; it must be a string");
        wrong.put("{'query':'','documents':['a']}", "query is empty; it must be at least 1 character");
        wrong.put("{'query':['q'],'documents':['a']}", "query is a list; it must be a string");
        wrong.put("{'query':'q'}", "documents is missing; it must be a list of strings");
        wrong.put(
                "{'query':'q','documents':'a'}",
                "documents is \"a\"; it must be a list of strings, or of objects with a text");
        wrong.put("{'query':'q','documents':[]}", "documents has 0 entries; it must have 1 to 2048");
        wrong.put("{'query':'q','documents':['a',7]}", "documents[1] is 7; it must be a string");
        wrong.put(
                "{'query':'q','documents':[{'title':'a'}]}",
                "documents[0].text is empty; it must be at least 1 character");
        wrong.put("{'query':'q','documents':['a'],'top_n':0}", "top_n is 0; it must be at least 1");
        wrong.put(
                "{'query':'q','documents':['a'],'return_documents':1}",
                "return_documents is 1; it must be true or false");
        wrong.put("{'query':'q','documents':['a'],'max_tokens_per_doc':100}", "max_tokens_per_doc is not supported");
        for (var entry : wrong.entrySet()) {
            var answer = worker.post(PATH, entry.getKey().replace('\'', '"'));
            assertEquals(400, answer.statusCode(), answer.body());
            assertEquals(
                    entry.getValue(),
                    Events.json(answer.body()).at("/error/message").asText(),
                    entry.getKey());
        }
        var tooLong = worker.post(PATH, "{\"query\":\"q\",\"documents\":[\"a\",\"" + "b".repeat(500) + "\"]}");
        assertEquals(400, tooLong.statusCode());
        var error = Events.json(tooLong.body()).get("error");
        assertTrue(error.get("message").asText().startsWith("query and documents[1] is "), error.toString());
        assertEquals("context_length_exceeded", error.get("code").asText());
    }

    /// The tokens of the texts, and 1 KiB for each score, from before the work begins.
    @Test
    void whatIsAnsweredCountsInTheMemoryBudget() throws Exception {
        var model = new VectorModel(Task.RERANK, false, false, 0);
        try (var slow = model.start(Task.RERANK);
                var other = new RunningWorker(slow, Map.of())) {
            var body = "{\"query\":\"q\",\"documents\":[" + "\"+\",".repeat(399) + "\"-\"]}";
            var asked = other.request(PATH)
                    .POST(HttpRequest.BodyPublishers.ofString(body))
                    .build();
            var answer = RunningWorker.HTTP.sendAsync(asked, HttpResponse.BodyHandlers.ofString());
            Await.until("it is accepted", () -> other.stats.requests() == 1);
            var used = other.port().memory().usedBytes();
            model.permits.release(1_000_000);
            var answered = Events.json(answer.join().body());
            var tokens = answered.at("/usage/prompt_tokens").asLong();
            assertTrue(used > 400 * 1024 + tokens * Integer.BYTES, used + " bytes");
            Await.until("all memory is given back", () -> other.port().memory().usedBytes() == 0);
        }
    }

    @Test
    void aRerankerMakesNoEmbeddings() throws Exception {
        var answer = worker.post("/v1/embeddings", "{\"input\":\"a\"}");
        assertEquals(400, answer.statusCode());
        assertTrue(answer.body().contains("which reranks documents (TASK=rerank); it does not serve embed requests"));
    }
}
