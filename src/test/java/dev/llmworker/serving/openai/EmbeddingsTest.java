package dev.llmworker.serving.openai;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.generation.Generator;
import dev.llmworker.generation.MockGenerator;
import dev.llmworker.generation.Task;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.EventLoops;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.Metrics;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedWorker;
import dev.llmworker.testing.VectorModel;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// `/v1/embeddings` over HTTP. The model counts the letters a to d.
@Timeout(120)
class EmbeddingsTest {
    private static final String PATH = "/v1/embeddings";

    private @Nullable Generator generator;
    private @Nullable RunningWorker worker;

    private RunningWorker start(Generator started, Map<String, String> environment) throws Exception {
        generator = started;
        worker = new RunningWorker(started, environment);
        return worker;
    }

    private RunningWorker start() throws Exception {
        return start(VectorModel.of(Task.EMBED).start(Task.EMBED), Map.of());
    }

    @AfterEach
    void stop() {
        if (worker != null) {
            worker.close();
        }
        if (generator != null) {
            generator.close();
        }
    }

    private static JsonNode ok(RunningWorker worker, String body) throws Exception {
        var answer = worker.post(PATH, body.replace('\'', '"'));
        assertEquals(200, answer.statusCode(), answer.body());
        assertEquals(
                "application/json", answer.headers().firstValue("Content-Type").orElse(""));
        return Events.json(answer.body());
    }

    private static JsonNode refused(RunningWorker worker, int status, String path, String body) throws Exception {
        var answer = worker.post(path, body.replace('\'', '"'));
        assertEquals(status, answer.statusCode(), answer.body());
        return Events.json(answer.body());
    }

    @Test
    void aTextHasAnEmbeddingOfLengthOne() throws Exception {
        var answer = ok(start(), "{'input':'aaabbbb','model':'vectors'}");
        assertEquals(
                Events.json("{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,"
                        + "\"embedding\":[0.6,0.8,0.0,0.0]}],\"model\":\"vectors\","
                        + "\"usage\":{\"prompt_tokens\":7,\"total_tokens\":7}}"),
                answer);
    }

    @Test
    void eachTextOfAListHasItsOwnInItsOrder() throws Exception {
        var worker = start();
        var letters = "abcd";
        var texts = new StringBuilder();
        for (var i = 0; i < 400; i++) {
            texts.append(i == 0 ? "" : ",")
                    .append('\'')
                    .append(letters.charAt(i % 4))
                    .append('\'');
        }
        var data = ok(worker, "{'input':[" + texts + "]}").get("data");
        assertEquals(400, data.size());
        for (var i = 0; i < 400; i++) {
            assertEquals(i, data.get(i).get("index").asInt());
            assertEquals(1, data.get(i).get("embedding").get(i % 4).asDouble());
        }
    }

    @Test
    void tokensAreTakenAsTheyAre() throws Exception {
        var worker = start();
        assertEquals(
                ok(worker, "{'input':'bbc'}").get("data"),
                ok(worker, "{'input':[98,98.0,99]}").get("data"));
        assertEquals(ok(worker, "{'input':['bbc','a']}"), ok(worker, "{'input':[[98,98,99],[97]]}"));
    }

    @Test
    void base64HasTheFloatsThemselves() throws Exception {
        var encoded =
                ok(start(), "{'input':'aaabbbb','encoding_format':'base64'}").at("/data/0/embedding");
        var floats = ByteBuffer.wrap(Base64.getDecoder().decode(encoded.asText()))
                .order(ByteOrder.LITTLE_ENDIAN)
                .asFloatBuffer();
        assertEquals(4, floats.remaining());
        assertEquals(0.6f, floats.get(0));
        assertEquals(0.8f, floats.get(1));
    }

    @Test
    void fewerDimensionsHaveLengthOneToo() throws Exception {
        assertEquals(
                Events.json("[0.6,0.8]"),
                ok(start(), "{'input':'aaabbbbccccc','dimensions':2}").at("/data/0/embedding"));
    }

    @Test
    void aLongTextRunsInSeveralSteps() throws Exception {
        var text = "ab".repeat(VectorModel.CONTEXT / 2);
        assertEquals(
                512,
                ok(start(), "{'input':'" + text + "'}")
                        .at("/usage/prompt_tokens")
                        .asInt());
    }

    @Test
    void whatIsWrongIsNamedWithItsValueAndLimit() throws Exception {
        var worker = start();
        var wrong = new LinkedHashMap<String, String>();
        wrong.put(
                "{}",
                "input is missing; it must be a string, a list of strings, a list of token ids, or a list of such lists");
        wrong.put("{'input':''}", "input is empty; it must be at least 1 character");
        wrong.put(
                "{'input':7}",
                "input is 7; it must be a string, a list of strings, a list of token ids, or a list of such lists");
        wrong.put(
                "{'input':[]}",
                "input is an empty list; it must be a string, a list of strings, a list of token ids, or a list of such lists");
        wrong.put("{'input':[[]]}", "input[0] is an empty list; it must have a token id");
        wrong.put(
                "{'input':['a',null]}",
                "input[1] is missing; it must be a string, a list of strings, a list of token ids, or a list of such lists");
        wrong.put("{'input':['a','']}", "input[1] is empty; it must be at least 1 character");
        wrong.put("{'input':[1,'a']}", "input[1] is \"a\"; it must be a whole number");
        wrong.put("{'input':[[1,2.5]]}", "input[0][1] is 2.5; it must be a whole number");
        wrong.put("{'input':[9000]}", "input[0] is 9000; this model's tokens are 0 to 259");
        wrong.put("{'input':[['a']]}", "input[0][0] is \"a\"; it must be a whole number");
        wrong.put("{'input':[1,null]}", "input[1] is null; it must be a whole number");
        wrong.put("{'input':[12345678901]}", "input[0] is 12345678901; it must be a whole number up to 2147483647");
        wrong.put("{'input':[" + "1,".repeat(512) + "1]}", "input is 513 tokens; this model takes at most 512");
        wrong.put("{'input':[-1]}", "input[0] is -1; this model's tokens are 0 to 259");
        wrong.put("{'input':'a','dimensions':5}", "dimensions is 5; it must be 1 to 4");
        wrong.put("{'input':'a','dimensions':0}", "dimensions is 0; it must be 1 to 4");
        wrong.put("{'input':'a','dimensions':'2'}", "dimensions is \"2\"; it must be a whole number");
        wrong.put(
                "{'input':'a','encoding_format':'int8'}",
                "encoding_format is \"int8\"; it must be \"float\" or \"base64\"");
        wrong.put("{'input':'a','truncate_prompt_tokens':7}", "truncate_prompt_tokens is not supported");
        wrong.put("{'input':'a','input_type':'query'}", "input_type is not supported");
        wrong.put("{'input':'a','normalize':false}", "normalize is false; it must be true");
        wrong.put("{'input':['" + "a','".repeat(2048) + "a']}", "input has 2049 entries; the limit is 2048");
        wrong.put("{'input':['a','" + "b".repeat(513) + "']}", "input[1] is 513 tokens; this model takes at most 512");
        for (var entry : wrong.entrySet()) {
            var error = refused(worker, 400, PATH, entry.getKey()).get("error");
            assertEquals(entry.getValue(), error.get("message").asText(), entry.getKey());
            assertEquals("invalid_request_error", error.get("type").asText());
        }
        assertEquals(
                "context_length_exceeded",
                refused(worker, 400, PATH, "{'input':'" + "b".repeat(513) + "'}")
                        .at("/error/code")
                        .asText());
        assertEquals(
                404, worker.post(PATH, "{\"input\":\"a\",\"model\":\"other\"}").statusCode());
        assertEquals(405, worker.get(PATH).statusCode());
    }

    @Test
    void fieldsThatChangeNothingAreAccepted() throws Exception {
        var worker = start();
        var _ = ok(
                worker,
                "{'input':'a','user':'me','dimensions':null,'encoding_format':'float','truncate':false,"
                        + "'normalize':true,'metadata':{'a':1}}");
    }

    @Test
    void aModelOfOneTaskRefusesTheOthersByName() throws Exception {
        var worker = start();
        var refusals = Map.of(
                "/generate", "{'prompt':'x'}",
                "/v1/chat/completions", "{'messages':[{'role':'user','content':'x'}]}",
                "/v1/completions", "{'prompt':'x'}",
                "/v1/responses", "{'input':'x'}",
                "/v1/messages", "{'max_tokens':3,'messages':[{'role':'user','content':'x'}]}",
                "/v1/rerank", "{'query':'x','documents':['y']}");
        for (var entry : refusals.entrySet()) {
            var error = refused(worker, 400, entry.getKey(), entry.getValue()).toString();
            var task = entry.getKey().equals("/v1/rerank") ? "rerank" : "generate";
            assertTrue(
                    error.contains(
                            "this worker serves \\\"vectors\\\", which makes embeddings (TASK=embed); it does not"
                                    + " serve " + task + " requests"),
                    error);
        }
        // These need no task.
        assertEquals(200, worker.post("/tokenize", "{\"prompt\":\"x\"}").statusCode());
        assertEquals(200, worker.get("/ping").statusCode());
        assertEquals(200, worker.get("/v1/models").statusCode());
    }

    @Test
    void aModelThatGeneratesRefusesEmbeddingsByName() throws Exception {
        var worker = start(ScriptedWorker.generator(), Map.of());
        var error = refused(worker, 400, PATH, "{'input':'x'}").get("error");
        assertEquals(
                "this worker serves \"scripted\", which generates text (TASK=generate); it does not serve embed requests",
                error.get("message").asText());
        assertEquals("task_not_served", error.get("code").asText());
    }

    @Test
    void anEngineWithoutAModelRefusesThem() throws Exception {
        var worker = start(new MockGenerator(), Map.of());
        assertEquals(
                "embed requests are not supported with this engine: the worker has no model of its own",
                refused(worker, 400, PATH, "{'input':'x'}").at("/error/message").asText());
    }

    /// Each value of an answer counts 64 bytes, from before the work begins.
    @Test
    void anAnswerThatDoesNotFitIntoTheBudgetBesideOthersIsRefused() throws Exception {
        var model = new VectorModel(Task.EMBED, false, false, 0);
        var worker = start(model.start(Task.EMBED), Map.of("MEMORY_BUDGET", "1048576", "MAX_BODY_BYTES", "65536"));
        var many = "{\"input\":[" + "\"a\",".repeat(2000) + "\"a\"]}";
        var first = RunningWorker.HTTP.sendAsync(
                worker.request(PATH)
                        .POST(HttpRequest.BodyPublishers.ofString(many))
                        .build(),
                HttpResponse.BodyHandlers.ofString());
        Await.until("it is accepted", () -> worker.stats.requests() == 1);
        assertTrue(worker.port().memory().usedBytes() > 2001 * 4 * 64);
        var second = worker.post(PATH, many);
        assertEquals(503, second.statusCode(), second.body());
        assertEquals(
                "out_of_memory_budget",
                Events.json(second.body()).at("/error/code").asText());
        model.permits.release(1_000_000);
        assertEquals(200, first.join().statusCode());
        Await.until("all memory is given back", () -> worker.port().memory().usedBytes() == 0);
    }

    private CompletableFuture<HttpResponse<String>> ask(RunningWorker worker, String id) {
        return RunningWorker.HTTP.sendAsync(
                worker.request(PATH)
                        .header("X-Request-Id", id)
                        .POST(HttpRequest.BodyPublishers.ofString("{\"input\":\"" + "ab".repeat(150) + "\"}"))
                        .build(),
                HttpResponse.BodyHandlers.ofString());
    }

    @Test
    void aRequestIsCancelledByItsId() throws Exception {
        var model = new VectorModel(Task.EMBED, false, false, 1);
        var worker = start(model.start(Task.EMBED), Map.of());
        var answer = ask(worker, "mine");
        Await.until("the first step has run", () -> model.steps.size() == 1);
        assertEquals(
                202,
                RunningWorker.send(
                                worker.request("/v1/generations/mine/cancel").POST(HttpRequest.BodyPublishers.noBody()))
                        .statusCode());
        model.permits.release(1_000_000);
        assertEquals(499, answer.join().statusCode(), answer.join().body());
        Await.until("it is over", () -> worker.stats.runningGenerations() == 0);
        // Of five steps, one more than was allowed may have begun.
        assertTrue(model.steps.size() <= 2, model.steps.toString());
    }

    @Test
    void aRequestThatTakesTooLongIsA504() throws Exception {
        var model = new VectorModel(Task.EMBED, false, false, 0);
        var worker = start(model.start(Task.EMBED, Duration.ofMillis(20), null), Map.of());
        var answer = ask(worker, "mine");
        Await.until("it is accepted", () -> worker.stats.requests() == 1);
        var begun = System.nanoTime();
        Await.until("the deadline has passed", () -> System.nanoTime() - begun > 30_000_000);
        model.permits.release(1_000_000);
        assertEquals(504, answer.join().statusCode(), answer.join().body());
    }

    @Test
    void aFullQueueIsA503() throws Exception {
        var model = new VectorModel(Task.EMBED, false, false, 0);
        var worker = start(model.start(Task.EMBED, Duration.ofMinutes(1), 0), Map.of());
        var answers = new CompletableFuture<?>[VectorModel.SLOTS];
        for (var i = 0; i < answers.length; i++) {
            answers[i] = ask(worker, "r" + i);
            var accepted = i + 1;
            Await.until("it is accepted", () -> worker.stats.requests() == accepted);
        }
        var refused = worker.post(PATH, "{\"input\":\"a\"}");
        assertEquals(503, refused.statusCode(), refused.body());
        assertTrue(refused.headers().firstValue("Retry-After").isPresent());
        model.permits.release(1_000_000);
        CompletableFuture.allOf(answers).join();
    }

    @Test
    void metricsCountItsTokensAsInput() throws Exception {
        var worker = start();
        var _ = ok(worker, "{'input':['abc','de']}");
        Await.until(
                "it is counted",
                () -> Metrics.of(worker)
                                .sum(
                                        "gen_ai_client_token_usage_sum",
                                        "gen_ai_operation_name=\"embeddings\"",
                                        "gen_ai_token_type=\"input\"")
                        == 5);
        assertEquals(
                0,
                Metrics.of(worker)
                        .sum(
                                "gen_ai_client_token_usage_count",
                                "gen_ai_operation_name=\"embeddings\"",
                                "gen_ai_token_type=\"output\""));
        assertEquals(1, worker.stats.requests());
    }

    @Test
    void vectorsThatNobodyReadsAreNoWastedTokens() throws Exception {
        var model = new VectorModel(Task.EMBED, false, false, 0);
        var worker = start(model.start(Task.EMBED), Map.of());
        var body = "{\"input\":[\"a\",\"b\"]}";
        var client = worker.raw()
                .send("POST " + PATH + " HTTP/1.1\r\nHost: worker\r\nContent-Type: application/json\r\n"
                        + "Content-Length: " + body.length() + "\r\n\r\n" + body);
        Await.until("the step has begun", model.permits::hasQueuedThreads);
        client.reset();
        Await.until("the client has left", () -> worker.port().connections() == 0);
        EventLoops.turn(worker.port().vertx());
        model.permits.release(1_000_000);
        Await.until("it is over", () -> worker.stats.runningGenerations() == 0 && worker.stats.requests() == 1);
        assertEquals(0, worker.stats.wastedTokens());
    }

    @Test
    void aKeyIsNeededIfThereAreKeys() throws Exception {
        var worker = start(VectorModel.of(Task.EMBED).start(Task.EMBED), Map.of("API_KEYS", "a-key-of-some-client"));
        assertEquals(401, worker.post(PATH, "{\"input\":\"a\"}").statusCode());
    }
}
