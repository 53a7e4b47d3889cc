package dev.llmworker.serving.anthropic;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Readiness;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.WorkerExtension;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/// Every error at and below `/v1/messages` has Anthropic's form, whoever makes it.
@Timeout(180)
class MessageErrorsTest {
    private static final String KEY = "the-key-of-this-test";
    private static final String MESSAGES = "/v1/messages";
    private static final String HI = "{\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]";

    private final ScriptedGenerator engine = new ScriptedGenerator();

    @RegisterExtension
    final WorkerExtension worker =
            WorkerExtension.of(engine).with("API_KEYS", KEY).with("MAX_BODY_BYTES", "2000");

    private HttpRequest.Builder request(String path) {
        return worker.request(path).header("x-api-key", KEY);
    }

    private HttpResponse<String> post(String path, String body) throws Exception {
        return RunningWorker.send(request(path).POST(HttpRequest.BodyPublishers.ofString(body)));
    }

    private static void assertError(int status, String type, String message, HttpResponse<String> answer)
            throws Exception {
        assertEquals(status, answer.statusCode(), answer.body());
        var error = Events.json(answer.body());
        assertEquals(List.of("type", "error"), names(error));
        assertEquals("error", error.get("type").asText());
        assertEquals(List.of("type", "message"), names(error.get("error")));
        assertEquals(type, error.at("/error/type").asText());
        assertTrue(error.at("/error/message").asText().startsWith(message), answer.body());
    }

    private static List<String> names(com.fasterxml.jackson.databind.JsonNode object) {
        return object.properties().stream().map(java.util.Map.Entry::getKey).toList();
    }

    @Test
    void errorsInFrontOfTheRoute() throws Exception {
        assertError(401, "authentication_error", "the API key is missing", worker.post(MESSAGES, HI + "}"));
        assertError(
                401,
                "authentication_error",
                "the API key is wrong",
                RunningWorker.send(worker.request(MESSAGES)
                        .header("x-api-key", "other")
                        .POST(HttpRequest.BodyPublishers.ofString(HI + "}"))));
        var get = RunningWorker.send(request(MESSAGES));
        assertEquals("POST", get.headers().firstValue("Allow").orElse(""));
        assertError(405, "invalid_request_error", "GET is not served at /v1/messages", get);
        assertError(404, "not_found_error", "nothing is served at /v1/messages/b", post("/v1/messages/batches", "{}"));
        assertError(413, "request_too_large", "the body is larger than 2000 bytes", post(MESSAGES, " ".repeat(2001)));
        assertError(
                415,
                "invalid_request_error",
                "Content-Type is \"text/xml\"",
                RunningWorker.send(request(MESSAGES)
                        .header("Content-Type", "text/xml")
                        .POST(HttpRequest.BodyPublishers.ofString(HI + "}"))));
        // Only what is below the path, and not what begins like it.
        assertTrue(post("/v1/messagesx", "{}").body().startsWith("{\"error\":{\"message\":"));
    }

    @Test
    void errorsOfTheRoute() throws Exception {
        assertError(400, "invalid_request_error", "the body is not JSON", post(MESSAGES, "{"));
        assertError(
                404,
                "not_found_error",
                "model is \"claude\"; this worker serves \"scripted\"",
                post(MESSAGES, HI + ",\"model\":\"claude\"}"));
        for (var path : List.of(MESSAGES, MESSAGES + "/count_tokens")) {
            engine.refusal = new RefusedException(RefusedException.Reason.OVERLOADED, "queue_full", "8 requests wait");
            var full = post(path, HI + "}");
            assertEquals("1", full.headers().firstValue("Retry-After").orElse(""));
            assertError(503, "overloaded_error", "8 requests wait", full);
        }
        engine.refusal = new RefusedException(RefusedException.Reason.INVALID, "context_exceeded", "it has 9 tokens");
        assertError(400, "invalid_request_error", "prompt is too long: it has 9 tokens", post(MESSAGES, HI + "}"));
        engine.refusal = null;
        engine.readiness = new Readiness.Failed("gone");
        engine.failure = new AssertionError("a bug");
        assertError(500, "api_error", "the worker failed", post(MESSAGES, HI + "}"));
    }

    /// Clients know by the details that they have to send the whole conversation.
    @Test
    void aConversationThatTheWorkerWouldHoldIsRefused() throws Exception {
        var answer = post(MESSAGES, HI + ",\"thread\":{\"type\":\"create\"}}");
        assertEquals(400, answer.statusCode());
        assertEquals(
                Events.json("{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":"
                        + "\"thread is not supported; send the whole conversation in messages\",\"details\":"
                        + "{\"error_code\":\"thread_unsupported_request\",\"unsupported\":[\"thread\"]}}}"),
                Events.json(answer.body()));
    }

    @Test
    void aFailureInAStreamIsAnEvent() throws Exception {
        var answer = CompletableFuture.supplyAsync(() -> {
            try {
                return RunningWorker.HTTP.send(
                        request(MESSAGES)
                                .POST(HttpRequest.BodyPublishers.ofString(HI + ",\"stream\":true}"))
                                .build(),
                        HttpResponse.BodyHandlers.ofLines());
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        });
        engine.next().emit("a").finish(FinishReason.ERROR);
        var events = Events.named(answer.join());
        assertEquals("error", events.getLast().get("type").asText());
        assertEquals("api_error", events.getLast().at("/error/type").asText());
    }
}
