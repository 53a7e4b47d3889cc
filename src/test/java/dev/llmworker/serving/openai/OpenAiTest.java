package dev.llmworker.serving.openai;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Prompt;
import dev.llmworker.generation.ScoredToken;
import dev.llmworker.sampling.LogitAdjustment;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.WorkerExtension;
import dev.llmworker.text.chat.ChatMessage;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// OpenAI's API below `/v1`.
class OpenAiTest {
    private static final String CHAT = "/v1/chat/completions";
    private static final String TEXT = "/v1/completions";

    private final ScriptedGenerator engine = new ScriptedGenerator();

    @RegisterExtension
    final WorkerExtension worker = WorkerExtension.of(engine);

    private static String chat(String more) {
        return "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]" + more + "}";
    }

    private CompletableFuture<HttpResponse<String>> post(String path, String body) {
        return RunningWorker.HTTP.sendAsync(
                worker.request(path)
                        .POST(HttpRequest.BodyPublishers.ofString(body))
                        .build(),
                HttpResponse.BodyHandlers.ofString());
    }

    private ScriptedGenerator.Script accepted(String path, String body) throws Exception {
        var answer = post(path, body);
        var script = engine.next();
        script.finish(FinishReason.STOP);
        assertEquals(200, answer.join().statusCode());
        return script;
    }

    private static ScoredToken scored(String text, float logprob) {
        return new ScoredToken(text, text.getBytes(StandardCharsets.UTF_8), logprob);
    }

    @Test
    void aChatCompletionIsAnswered() throws Exception {
        var answer = post(CHAT, chat(""));
        engine.next().emit("Hel").emit("").emit("lo \"é\"").finish(FinishReason.STOP);
        var body = Events.json(answer.join().body());
        assertTrue(body.get("id").asText().matches("chatcmpl-[0-9a-f]{16}"), body.toString());
        assertTrue(Math.abs(body.get("created").asLong() - System.currentTimeMillis() / 1000) < 60);
        assertEquals("chat.completion", body.get("object").asText());
        assertEquals("scripted", body.get("model").asText());
        assertEquals(
                "[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hello \\\"é\\\"\",\"refusal\":null},"
                        + "\"logprobs\":null,\"finish_reason\":\"stop\"}]",
                body.get("choices").toString());
        assertEquals(
                "{\"prompt_tokens\":3,\"completion_tokens\":3,\"total_tokens\":6,"
                        + "\"prompt_tokens_details\":{\"cached_tokens\":0},"
                        + "\"completion_tokens_details\":{\"reasoning_tokens\":0}}",
                body.get("usage").toString());
        assertEquals(
                "application/json",
                answer.join().headers().firstValue("Content-Type").orElse(""));
        assertTrue(answer.join().headers().firstValue("Content-Length").isPresent());
    }

    @Test
    void aTextCompletionIsAnsweredAndItsPromptIsRaw() throws Exception {
        var answer = post(TEXT, "{\"prompt\":\"Once\",\"model\":\"scripted\"}");
        var script = engine.next();
        assertEquals(new Prompt.Raw("Once"), script.request.prompt());
        assertEquals(16, script.request.tokenLimit());
        script.emit(" upon").finish(FinishReason.LENGTH);
        var body = Events.json(answer.join().body());
        assertEquals("text_completion", body.get("object").asText());
        assertEquals(
                "[{\"index\":0,\"text\":\" upon\",\"logprobs\":null,\"finish_reason\":\"length\"}]",
                body.get("choices").toString());
    }

    @Test
    void aChatIsStreamedInChunksAndDone() throws Exception {
        var response = Events.open(worker, CHAT, chat(",\"stream\":true,\"stream_options\":{\"include_usage\":true}"));
        engine.next().emit("a").emit("").emit("b").finish(FinishReason.LENGTH);
        var data = Events.data(response);
        assertEquals("[DONE]", data.removeLast());
        var deltas = List.of(
                "{\"role\":\"assistant\",\"content\":\"\"}", "{\"content\":\"a\"}", "{\"content\":\"b\"}", "{}");
        assertEquals(deltas.size() + 1, data.size());
        var id = Events.json(data.getFirst()).get("id");
        for (var i = 0; i < deltas.size(); i++) {
            var chunk = Events.json(data.get(i));
            assertEquals(id, chunk.get("id"));
            assertEquals("chat.completion.chunk", chunk.get("object").asText());
            assertTrue(chunk.get("usage").isNull());
            var choice = chunk.get("choices").get(0);
            assertEquals(deltas.get(i), choice.get("delta").toString());
            assertEquals(
                    i == 3 ? "\"length\"" : "null", choice.get("finish_reason").toString());
        }
        var usage = Events.json(data.getLast());
        assertEquals(0, usage.get("choices").size());
        assertEquals(6, usage.get("usage").get("total_tokens").asInt());
    }

    @Test
    void aTextIsStreamed() throws Exception {
        var response = Events.open(worker, TEXT, "{\"prompt\":\"x\",\"stream\":true}");
        engine.next().emit("a").finish(FinishReason.STOP);
        var data = Events.data(response);
        assertEquals(3, data.size());
        var first = Events.json(data.getFirst());
        assertEquals(
                "{\"index\":0,\"text\":\"a\",\"logprobs\":null,\"finish_reason\":null}",
                first.get("choices").get(0).toString());
        assertFalse(first.has("usage"));
        assertEquals(
                "stop",
                Events.json(data.get(1))
                        .get("choices")
                        .get(0)
                        .get("finish_reason")
                        .asText());
        assertEquals("[DONE]", data.getLast());
    }

    @Test
    void everyParameterReachesTheEngine() throws Exception {
        var script = accepted(CHAT, """
            {"model":"scripted","messages":[
              {"role":"developer","content":"Be brief."},
              {"role":"user","content":[{"type":"text","text":"one"},{"type":"text","text":"two"}]},
              {"role":"assistant","content":""},
              {"role":"user","content":"three","name":"Ann"}],
             "max_completion_tokens":7,"max_tokens":9,"temperature":0.5,"top_p":0.9,"seed":11,"stop":["a","b"],
             "presence_penalty":0.5,"frequency_penalty":-0.5,"repetition_penalty":1.2,"logit_bias":{"5":-100},
             "top_k":40,"min_p":0.1,"min_tokens":2,"ignore_eos":true,"logprobs":true,"top_logprobs":3,
             "n":1,"tools":[],"response_format":{"type":"text"},"modalities":["text"],"user":"u","store":false}\
            """);
        var request = script.request;
        assertEquals(
                new Prompt.Chat(List.of(
                        new ChatMessage("system", "Be brief."),
                        ChatMessage.user("one\ntwo"),
                        new ChatMessage("assistant", ""),
                        ChatMessage.user("three"))),
                request.prompt());
        assertEquals(OptionalInt.of(7), request.maxTokens());
        assertEquals(2, request.minTokens());
        assertEquals(List.of("a", "b"), request.stop());
        assertTrue(request.ignoreEos());
        assertEquals(
                new SamplingParameters(
                        0.5f,
                        40,
                        0.9f,
                        0.1f,
                        11,
                        new LogitAdjustment(1.2f, 0.5f, -0.5f, Map.of(5, -100f)),
                        OptionalInt.of(3)),
                request.sampling());
    }

    @Test
    void whatIsNotSentIsAsOpenAiHasIt() throws Exception {
        var request = accepted(CHAT, chat("")).request;
        assertEquals(1, request.sampling().temperature());
        assertEquals(OptionalInt.empty(), request.sampling().logprobs());
        assertTrue(request.sampling().adjustment().isNone());
        assertEquals(Integer.MAX_VALUE, request.tokenLimit(), "as long as the context allows");
    }

    @Test
    void logprobsOfAChatAreListed() throws Exception {
        var answer = post(CHAT, chat(",\"logprobs\":true,\"top_logprobs\":1"));
        engine.next()
                .emit("a", List.of(scored("a", -0.5f), scored("é", -0.25f)))
                .emit("", List.of(scored("b", Float.NEGATIVE_INFINITY), scored("c", -1f)))
                .finish(FinishReason.STOP);
        var logprobs = Events.json(answer.join().body()).get("choices").get(0).get("logprobs");
        assertEquals(
                "{\"content\":[{\"token\":\"a\",\"logprob\":-0.5,\"bytes\":[97],\"top_logprobs\":["
                        + "{\"token\":\"é\",\"logprob\":-0.25,\"bytes\":[195,169]}]},"
                        + "{\"token\":\"b\",\"logprob\":-9999.0,\"bytes\":[98],\"top_logprobs\":["
                        + "{\"token\":\"c\",\"logprob\":-1.0,\"bytes\":[99]}]}]}",
                logprobs.toString());
    }

    @Test
    void logprobsOfATextAreListedAndGoOnFromEventToEvent() throws Exception {
        var body = "{\"prompt\":\"x\",\"logprobs\":20%s}";
        var answer = post(TEXT, body.formatted(""));
        engine.next()
                .emit("ab", List.of(scored("ab", -0.5f), scored("c", -0.25f)))
                .emit("d", List.of(scored("d", -1f), scored("d", -1f)))
                .finish(FinishReason.STOP);
        assertEquals(
                "{\"tokens\":[\"ab\",\"d\"],\"token_logprobs\":[-0.5,-1.0],"
                        + "\"top_logprobs\":[{\"ab\":-0.5,\"c\":-0.25},{\"d\":-1.0}],\"text_offset\":[0,2]}",
                logprobs(answer.join().body()).toString());
        var response = Events.open(worker, TEXT, body.formatted(",\"stream\":true"));
        engine.next()
                .emit("ab", List.of(scored("ab", -0.5f)))
                .emit("d", List.of(scored("d", -1f)))
                .finish(FinishReason.STOP);
        assertEquals(
                "{\"tokens\":[\"d\"],\"token_logprobs\":[-1.0],\"top_logprobs\":[{\"d\":-1.0}],\"text_offset\":[2]}",
                logprobs(Events.data(response).get(1)).toString());
    }

    @Test
    void tokensThatArePartOfACharacterKeepTheirScoresApart() throws Exception {
        var e2 = new ScoredToken("\ufffd", new byte[] {' ', (byte) 0xe2, (byte) 0x80}, -0.5f);
        var f0 = new ScoredToken("\ufffd", new byte[] {(byte) 0xf0}, -1f);
        var other = new ScoredToken("a", new byte[] {'a'}, -2f);
        var sameText = new ScoredToken("a", new byte[] {'a'}, -3f);
        var scores = List.of(f0, e2, f0, other, sameText);
        var answer = post(TEXT, "{\"prompt\":\"x\",\"logprobs\":4}");
        engine.next().emit("", scores).finish(FinishReason.STOP);
        var text = logprobs(answer.join().body());
        assertEquals("[\"bytes:\\\\xf0\"]", text.get("tokens").toString());
        assertEquals(
                "[{\"bytes:\\\\xf0\":-1.0,\"bytes: \\\\xe2\\\\x80\":-0.5,\"a\":-2.0,\"bytes:\\\\x61\":-3.0}]",
                text.get("top_logprobs").toString());
        var chat = post(CHAT, chat(",\"logprobs\":true,\"top_logprobs\":20"));
        engine.next().emit("", scores).finish(FinishReason.STOP);
        assertEquals(
                "\\xf0",
                logprobs(chat.join().body()).get("content").get(0).get("token").asText());
    }

    @Test
    void aDeadlineIsALengthHere() throws Exception {
        for (var path : List.of(CHAT, TEXT)) {
            var body = path.equals(CHAT) ? chat("%s") : "{\"prompt\":\"x\"%s}";
            var answer = post(path, body.formatted(""));
            engine.next().emit("a").finish(FinishReason.TIMEOUT);
            assertEquals(
                    "length",
                    Events.json(answer.join().body())
                            .get("choices")
                            .get(0)
                            .get("finish_reason")
                            .asText());
            var response = Events.open(worker, path, body.formatted(",\"stream\":true"));
            engine.next().emit("a").finish(FinishReason.TIMEOUT);
            var data = Events.data(response);
            assertTrue(data.get(data.size() - 2).contains("\"finish_reason\":\"length\""), data.toString());
        }
    }

    @Test
    void aTopPOfNothingIsGreedyAndTwentyLogprobsAreGiven() throws Exception {
        for (var share : List.of("0", "0.0", "1e-46", "-0")) {
            assertTrue(
                    accepted(CHAT, chat(",\"top_p\":" + share))
                            .request
                            .sampling()
                            .isGreedy(),
                    share);
            assertTrue(accepted(TEXT, "{\"prompt\":\"x\",\"top_p\":" + share + "}")
                    .request
                    .sampling()
                    .isGreedy());
        }
        var request = accepted(CHAT, chat(",\"logprobs\":true,\"top_logprobs\":20,\"top_k\":-1")).request;
        assertEquals(OptionalInt.of(20), request.sampling().logprobs());
        assertEquals(0, request.sampling().topK());
        assertEquals(
                OptionalInt.empty(),
                accepted(CHAT, chat(",\"logprobs\":false,\"top_logprobs\":0"))
                        .request
                        .sampling()
                        .logprobs());
    }

    @Test
    void theModelIsFoundByItsIdAndNoOtherIs() throws Exception {
        var model = worker.get("/v1/models/scripted");
        assertEquals(200, model.statusCode());
        assertEquals(Events.json(worker.get("/v1/models").body()).get("data").get(0), Events.json(model.body()));
        assertEquals(200, worker.get("/v1/models/%73cripted").statusCode());
        for (var id : List.of("other", "org/scripted", "org%2Fscripted", "scripted/x")) {
            var answer = worker.get("/v1/models/" + id);
            assertEquals(404, answer.statusCode(), id);
            var error = Events.json(answer.body()).get("error");
            assertEquals("model_not_found", error.get("code").asText());
            assertEquals(
                    "model is \"" + id.replace("%2F", "/") + "\"; this worker serves \"scripted\"",
                    error.get("message").asText());
        }
        for (var path : List.of("/v1/models", "/v1/models/scripted", "/v1/models/a/b")) {
            var answer = worker.post(path, "{}");
            assertEquals(405, answer.statusCode(), path);
            assertEquals("GET, HEAD", answer.headers().firstValue("Allow").orElse(""), path);
        }
    }

    private static JsonNode logprobs(String body) throws Exception {
        return Events.json(body).get("choices").get(0).get("logprobs");
    }

    @Test
    void theModelIsListed() throws Exception {
        var answer = worker.get("/v1/models");
        assertEquals(200, answer.statusCode());
        var list = Events.json(answer.body());
        assertEquals("list", list.get("object").asText());
        assertEquals(1, list.get("data").size());
        assertEquals("scripted", list.get("data").get(0).get("id").asText());
        assertEquals("model", list.get("data").get(0).get("object").asText());
    }
}
