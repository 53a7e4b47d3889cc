package dev.llmworker.serving.openai;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.WorkerExtension;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// What OpenAI's API below `/v1` refuses, and how.
class OpenAiErrorsTest {
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

    private static void assertError(int status, String param, String code, String message, HttpResponse<String> answer)
            throws Exception {
        assertEquals(status, answer.statusCode(), answer.body());
        var body = Events.json(answer.body());
        assertEquals(1, body.size());
        var error = body.get("error");
        assertEquals(message, error.get("message").asText());
        assertEquals(
                status < 500 ? "invalid_request_error" : "server_error",
                error.get("type").asText());
        assertEquals(param, error.get("param").asText());
        assertEquals(code, error.get("code").asText());
    }

    @Test
    void whatIsNotSupportedIsRefusedByName() throws Exception {
        var fields = Map.of(
                "functions", "[{}]",
                "modalities", "[\"text\",\"audio\"]",
                "audio", "{\"voice\":\"alloy\"}");
        for (var field : fields.entrySet()) {
            assertError(
                    400,
                    field.getKey(),
                    "invalid_request",
                    field.getKey() + " is not supported",
                    worker.post(CHAT, chat(",\"" + field.getKey() + "\":" + field.getValue())));
        }
        assertError(
                400,
                "n",
                "invalid_request",
                "n is 17; it must be a whole number from 1 to 16",
                worker.post(CHAT, chat(",\"n\":17")));
        assertError(
                400,
                "echo",
                "invalid_request",
                "echo is not supported",
                worker.post(TEXT, "{\"prompt\":\"x\",\"echo\":true}"));
        assertError(
                400,
                "messages[0].content[0].type",
                "invalid_request",
                "messages[0].content[0].type is \"image_url\", which is not supported; it must be text",
                worker.post(CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]}"));
        assertTrue(engine.hasNone());
    }

    @Test
    void whatIsWrongIsNamedWithItsValueAndItsLimit() throws Exception {
        var bodies = Map.of(
                "{}",
                List.of("messages", "messages is missing; it must be a list of objects"),
                "{\"messages\":[]}",
                List.of("messages", "messages has 0 entries; it must have 1 to 1024"),
                "{\"messages\":[{\"role\":\"function\",\"content\":\"x\"}]}",
                List.of(
                        "messages[0].role",
                        "messages[0].role is \"function\"; it must be system, developer, user, assistant or tool"),
                "{\"messages\":[{\"role\":\"user\"}]}",
                List.of(
                        "messages[0].content",
                        "messages[0].content is missing; it must be a string or a list of text parts"),
                "{\"messages\":[{\"role\":\"user\",\"content\":5}]}",
                List.of("messages[0].content", "messages[0].content is 5; it must be a string"),
                chat(",\"temperature\":3"),
                List.of("temperature", "temperature is 3; it must be from 0.0 to 2.0"),
                chat(",\"top_logprobs\":1"),
                List.of("top_logprobs", "top_logprobs needs \"logprobs\": true"),
                chat(",\"logprobs\":true,\"top_logprobs\":21"),
                List.of("top_logprobs", "top_logprobs is 21; it must be from 0 to 20"),
                chat(",\"logit_bias\":{\"x\":1}"),
                List.of("logit_bias", "logit_bias has \"x\"; its keys must be token ids"),
                chat(",\"stop\":[1]"),
                List.of("stop[0]", "stop[0] is 1; it must be a string"));
        for (var body : bodies.entrySet()) {
            var expected = body.getValue();
            assertError(
                    400, expected.getFirst(), "invalid_request", expected.getLast(), worker.post(CHAT, body.getKey()));
        }
        assertError(
                400,
                "logprobs",
                "invalid_request",
                "logprobs is 21; it must be from 0 to 20",
                worker.post("/v1/completions", "{\"prompt\":\"x\",\"logprobs\":21}"));
        assertTrue(engine.hasNone());
    }

    @Test
    void anotherModelIsNotFound() throws Exception {
        assertError(
                404,
                "model",
                "model_not_found",
                "model is \"gpt-4o\"; this worker serves \"scripted\"",
                worker.post(CHAT, chat(",\"model\":\"gpt-4o\"")));
    }

    @Test
    void everyErrorBelowV1HasOpenAisForm() throws Exception {
        assertError(400, "null", "invalid_json", "the body is empty; it must be a JSON object", worker.post(CHAT, ""));
        assertError(404, "null", "not_found", "nothing is served at /v1/nope", worker.get("/v1/nope"));
        var wrongMethod = worker.get(CHAT);
        assertEquals("POST", wrongMethod.headers().firstValue("Allow").orElse(""));
        assertError(
                405,
                "null",
                "method_not_allowed",
                "GET is not served at /v1/chat/completions; it takes POST",
                wrongMethod);
        assertError(
                415,
                "null",
                "unsupported_media_type",
                "Content-Type is \"text/xml\"; it must be application/json",
                RunningWorker.send(worker.request(CHAT)
                        .header("Content-Type", "text/xml")
                        .POST(HttpRequest.BodyPublishers.ofString("{}"))));
        engine.refusal = new RefusedException(RefusedException.Reason.OVERLOADED, "queue_full", "8 requests wait");
        var full = worker.post(CHAT, chat(""));
        assertTrue(full.headers().firstValue("Retry-After").isPresent());
        assertError(503, "null", "queue_full", "8 requests wait", full);
        engine.refusal = new RefusedException(RefusedException.Reason.INVALID, "context_exceeded", "too long");
        assertError(400, "null", "context_length_exceeded", "too long", worker.post(CHAT, chat("")));
    }

    @Test
    void anEngineThatFailsIsAServerError() throws Exception {
        var answer = post(CHAT, chat(""));
        engine.next().emit("a").finish(FinishReason.ERROR);
        assertEquals(500, answer.join().statusCode());
        assertEquals(
                "server_error",
                Events.json(answer.join().body()).get("error").get("type").asText());
    }
}
