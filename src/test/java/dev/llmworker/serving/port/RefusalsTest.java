package dev.llmworker.serving.port;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.WorkerExtension;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// What is refused, and how.
class RefusalsTest {
    @RegisterExtension
    static final WorkerExtension worker = WorkerExtension.mock();

    private static void assertError(int status, String message, String code, HttpResponse<String> answer) {
        assertEquals(status, answer.statusCode(), answer.body());
        assertEquals("{\"error\":\"" + message + "\",\"code\":\"" + code + "\"}", answer.body());
        assertEquals(
                "application/json", answer.headers().firstValue("Content-Type").orElse(""));
        assertTrue(answer.headers().firstValue("X-Request-Id").isPresent(), "an error has its id too");
    }

    @Test
    void aFieldThatIsWrongIsNamedWithItsValueAndItsLimit() throws Exception {
        var messages = Map.of(
                "{}", "prompt is missing; it must be a string",
                "{\"prompt\":\"\"}", "prompt is empty; it must be at least 1 character",
                "{\"prompt\":[1]}", "prompt is a list; it must be a string",
                "{\"prompt\":\"x\",\"max_tokens\":\"x\"}", "max_tokens is \\\"x\\\"; it must be a whole number",
                "{\"prompt\":\"x\",\"max_tokens\":0}", "max_tokens is 0; it must be at least 1",
                "{\"prompt\":\"x\",\"max_tokens\":1.5}", "max_tokens is 1.5; it must be a whole number",
                "{\"prompt\":\"x\",\"temperature\":2.5}", "temperature is 2.5; it must be from 0.0 to 2.0",
                "{\"prompt\":\"x\",\"raw\":1}", "raw is 1; it must be true or false",
                "{\"prompt\":\"x\",\"top_k\":-2}", "top_k is -2; it must be 0 or -1 (all tokens), or more",
                "{\"prompt\":\"\\ud800\"}", "prompt has half a surrogate pair at 0; it must be valid Unicode");
        for (var entry : messages.entrySet()) {
            assertError(400, entry.getValue(), "invalid_request", worker.post("/generate", entry.getKey()));
        }
    }

    @Test
    void whatIsNotStrictJsonIsRefused() throws Exception {
        var bodies = new String[] {
            "{\"prompt\":\"x\"} x",
            "{\"prompt\":\"x\",\"temperature\":NaN}",
            "{\"prompt\":\"x\",\"prompt\":\"x\"}",
            "[]",
            "",
            "{'prompt':'x'}",
            "{\"prompt\":\"x\",}",
            "{\"prompt\":\"x\",\"a\":" + "[".repeat(64) + "]".repeat(64) + "}",
        };
        for (var body : bodies) {
            var answer = worker.post("/generate", body);
            assertEquals(400, answer.statusCode(), body);
            assertTrue(answer.body().endsWith("\"code\":\"invalid_json\"}"), answer.body());
        }
    }

    @Test
    void malformedUtf8IsRefusedAndNotReplaced() throws Exception {
        var body = "{\"prompt\":\"é\"}".getBytes(StandardCharsets.ISO_8859_1);
        var answer = RunningWorker.send(worker.request("/generate").POST(HttpRequest.BodyPublishers.ofByteArray(body)));
        assertError(400, "the body is not valid UTF-8", "invalid_json", answer);
    }

    @Test
    void unknownFieldsAreIgnoredAndNullCountsAsNotSent() throws Exception {
        var answer = worker.post("/generate", "{\"prompt\":\"x\",\"max_tokens\":null,\"model\":\"m\",\"top_k\":40.0}");
        assertEquals(200, answer.statusCode(), answer.body());
    }

    @Test
    void unknownPathsAndMethodsAreJsonToo() throws Exception {
        assertError(404, "nothing is served at /nope", "not_found", worker.get("/nope"));
        var answer = RunningWorker.send(worker.request("/ping").DELETE());
        assertError(405, "DELETE is not served at /ping; it takes GET, HEAD", "method_not_allowed", answer);
        assertEquals("GET, HEAD", answer.headers().firstValue("Allow").orElse(""));
        assertEquals(
                "POST", worker.get("/generate").headers().firstValue("Allow").orElse(""));
    }

    @Test
    void otherContentTypesAreRefused() throws Exception {
        for (var type :
                new String[] {"text/xml", "multipart/form-data; boundary=x", "application/json; charset=utf-16"}) {
            var answer = RunningWorker.send(worker.request("/generate")
                    .header("Content-Type", type)
                    .POST(HttpRequest.BodyPublishers.ofString("{}")));
            assertEquals(415, answer.statusCode(), type);
        }
    }

    @Test
    void aBodyOverTheLimitIsRefused() throws Exception {
        var body = "{\"prompt\":\"" + "x".repeat(1 << 20) + "\"}";
        assertError(413, "the body is larger than 1048576 bytes", "body_too_large", worker.post("/generate", body));
        var fits = "{\"prompt\":\"" + "x".repeat((1 << 20) - 13) + "\"}";
        assertEquals(200, worker.post("/generate", fits).statusCode());
    }

    @Test
    void aChunkedBodyOverTheLimitIsRefused() throws Exception {
        try (var raw = worker.raw()) {
            raw.send("POST /generate HTTP/1.1\r\nHost: worker\r\nTransfer-Encoding: chunked\r\n\r\n");
            for (var i = 0; i < 17; i++) {
                raw.send("10000\r\n" + "x".repeat(1 << 16) + "\r\n");
            }
            assertTrue(raw.head().startsWith("HTTP/1.1 413 "));
        }
    }

    @Test
    void contentLengthTogetherWithTransferEncodingIsRefusedAndTheConnectionClosed() throws Exception {
        try (var raw = worker.raw()) {
            raw.send(
                    "POST /generate HTTP/1.1\r\nHost: worker\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                            + "0\r\n\r\nGET /stats HTTP/1.1\r\nHost: worker\r\n\r\n");
            var answer = raw.rest();
            assertTrue(answer.startsWith("HTTP/1.1 400 "), answer);
            assertFalse(answer.contains("total_requests"), "the smuggled request was answered");
        }
    }

    @Test
    void whatIsNotHttpIsAnsweredByJson() throws Exception {
        var requests = Map.of(
                "GET /ping HTTP/9.9\r\nHost: worker\r\n\r\n",
                "400",
                "\u0000\u0001GET /ping HTTP/1.1\r\nHost: worker\r\n\r\n",
                "400",
                "GET /ping HTTP/1.1\r\nHost: worker\r\nX: " + "x".repeat(17_000) + "\r\n\r\n",
                "431",
                "GET /" + "x".repeat(17_000) + " HTTP/1.1\r\nHost: worker\r\n\r\n",
                "414");
        for (var entry : requests.entrySet()) {
            try (var raw = worker.raw().send(entry.getKey())) {
                var answer = raw.rest();
                assertTrue(answer.contains(" " + entry.getValue() + " "), answer);
                assertTrue(answer.contains("{\"error\":\""), answer);
            }
        }
    }

    @Test
    void aBodyThatIsNotChunkedAsItSaysClosesTheConnection() throws Exception {
        try (var raw = worker.raw()
                .send("POST /generate HTTP/1.1\r\nHost: worker\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")) {
            assertEquals("", raw.rest());
        }
    }

    @Test
    void aWebSocketPathWithoutAnUpgradeSaysWhatItIs() throws Exception {
        var answer = worker.get("/ws");
        assertError(426, "this is a WebSocket; connect with ws:// or wss://", "upgrade_required", answer);
        assertEquals("websocket", answer.headers().firstValue("Upgrade").orElse(""));
        assertEquals(405, worker.post("/ws", "{}").statusCode());
    }

    @Test
    void aSaneRequestIdIsTakenOverAndAnotherReplaced() throws Exception {
        for (var path : new String[] {"/ping", "/nope"}) {
            var answer = RunningWorker.send(worker.request(path).header("X-Request-Id", "abc-1.2_3"));
            assertEquals(
                    "abc-1.2_3", answer.headers().firstValue("X-Request-Id").orElse(""));
            for (var id : new String[] {"a b", "x".repeat(129), "<script>"}) {
                var replaced = RunningWorker.send(worker.request(path).header("X-Request-Id", id));
                assertTrue(
                        replaced.headers().firstValue("X-Request-Id").orElse("").matches("[0-9a-f]{16}"), id);
            }
        }
    }

    @Test
    void nothingThatAClientSendsComesBackAsAHeader() throws Exception {
        var answer = RunningWorker.send(worker.request("/stats?reflected=1")
                .header("X-Mine", "1")
                .header("Cookie", "a=b")
                .header("Cache-Control", "no-store"));
        assertEquals(
                java.util.Set.of("content-length", "content-type", "x-request-id"),
                answer.headers().map().keySet());
    }

    @Test
    void noHeaderOfAClientSteersCamel() throws Exception {
        for (var name : new String[] {"CamelHttpResponseCode", "camelHttpResponseCode", "CAMELHTTPRESPONSECODE"}) {
            assertEquals(
                    200,
                    RunningWorker.send(worker.request("/stats").header(name, "418"))
                            .statusCode(),
                    name);
        }
    }
}
