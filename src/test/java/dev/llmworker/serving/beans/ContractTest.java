package dev.llmworker.serving.beans;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.Await;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.TestSocket;
import dev.llmworker.testing.WorkerExtension;
import java.net.http.HttpRequest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// What clients of the worker that this one replaces rely on.
class ContractTest {
    @RegisterExtension
    static final WorkerExtension worker = WorkerExtension.mock();

    @Test
    void pingIsHealthy() throws Exception {
        var answer = worker.get("/ping");
        assertEquals(200, answer.statusCode());
        assertEquals("{\"status\":\"healthy\"}", answer.body());
        assertEquals(
                "application/json", answer.headers().firstValue("Content-Type").orElse(""));
    }

    @Test
    void headIsAnsweredAsGetWithoutItsBody() throws Exception {
        for (var path : new String[] {"/ping", "/stats"}) {
            var answer = RunningWorker.send(worker.request(path).HEAD());
            assertEquals(200, answer.statusCode(), path);
            assertEquals("", answer.body(), path);
        }
    }

    @Test
    void generateAnswersTheWholeTextAndNothingElse() throws Exception {
        var before = worker.stats.requests();
        var answer = worker.post("/generate", "{\"prompt\":\"Hello, world!\",\"max_tokens\":50,\"temperature\":0.8}");
        assertEquals(200, answer.statusCode());
        assertEquals(
                "{\"generated_text\":\"Response to: 'Hello, world!' (tokens=50, temp=0.8, request #" + (before + 1)
                        + ")\"}",
                answer.body());
        assertTrue(answer.headers().firstValue("Content-Length").isPresent(), "the answer has its length");
    }

    @Test
    void maxTokensAndTemperatureHaveTheSeedsDefaults() throws Exception {
        var answer = worker.post("/generate", "{\"prompt\":\"x\"}").body();
        assertTrue(answer.contains("(tokens=100, temp=0.7, "), answer);
    }

    @Test
    void aBareCurlWithAFormsContentTypeWorksLikeJson() throws Exception {
        for (var type :
                new String[] {"application/x-www-form-urlencoded", "text/plain", "application/json;charset=UTF-8"}) {
            var answer = RunningWorker.send(worker.request("/generate")
                    .header("Content-Type", type)
                    .POST(HttpRequest.BodyPublishers.ofString("{\"prompt\":\"a=b&c\"}")));
            assertEquals(200, answer.statusCode(), type);
            assertTrue(answer.body().contains("'a=b&c'"), answer.body());
        }
    }

    @Test
    void statsCountAcceptedGenerationsAndOpenSockets() throws Exception {
        var before = worker.stats.requests();
        worker.post("/generate", "{\"prompt\":\"x\"}");
        worker.post("/generate", "{\"prompt\":\"\"}");
        try (var socket = worker.socket("/ws")) {
            socket.send("{\"prompt\":\"x\",\"max_tokens\":1}").answer();
            assertEquals(
                    "{\"total_requests\":" + (before + 2) + ",\"active_websocket_connections\":1}",
                    worker.get("/stats").body());
        }
        Await.until("the socket is no longer counted", () -> worker.stats.webSockets() == 0);
    }

    @Test
    void aWebSocketStreamsOneFrameForEachTokenAndThenDone() throws Exception {
        try (var socket = worker.socket("/ws")) {
            socket.send("{\"prompt\":\"say \\\"hé😀\\\"\",\"max_tokens\":20}");
            assertEquals("{\"token\":\"Re\",\"index\":0}", socket.next());
            var answer = socket.answer();
            for (var i = 0; i < answer.size() - 1; i++) {
                assertEquals(i + 1, answer.get(i).path("index").asInt());
                assertEquals(2, answer.get(i).size());
            }
            assertEquals("{\"done\":true,\"total_tokens\":20}", answer.getLast().toString());
            var text = "Re" + TestSocket.text(answer);
            assertTrue(text.startsWith("Response to: 'say \"hé😀\"' (tokens=20, temp=0.7, request #"), text);
        }
    }

    @Test
    void aConnectionTakesPromptAfterPrompt() throws Exception {
        try (var socket = worker.socket("/ws?token=secret")) {
            for (var prompt : new String[] {"one", "two", "three"}) {
                socket.send("{\"prompt\":\"" + prompt + "\",\"max_tokens\":3}");
            }
            for (var prompt : new String[] {"one", "two", "three"}) {
                var answer = socket.answer();
                assertTrue(TestSocket.text(answer).startsWith("Response to: '" + prompt + "'"), prompt);
            }
        }
    }

    @Test
    void tokensThatOutnumberTheTextCarryEmptyStrings() throws Exception {
        try (var socket = worker.socket("/ws")) {
            var answer = socket.send("{\"prompt\":\"x\",\"max_tokens\":20000}").answer();
            assertEquals(20_001, answer.size());
            assertTrue(TestSocket.text(answer).contains("(tokens=20000, "));
        }
    }

    @Test
    void aBadFrameIsAnsweredByAnErrorAndTheConnectionStaysOpen() throws Exception {
        var bad = new String[] {
            "hello",
            "[]",
            "{}",
            "{\"prompt\":5}",
            "{\"prompt\":\"x\",\"max_tokens\":\"x\"}",
            "{\"prompt\":\"x\",\"prompt\":\"y\"}",
        };
        try (var socket = worker.socket("/ws")) {
            for (var frame : bad) {
                assertTrue(socket.send(frame).next().startsWith("{\"error\":\""), frame);
            }
            var binary = socket.sendBinary(new byte[] {1, 2}).next();
            assertTrue(binary.startsWith("{\"error\":\"the frame is binary"), binary);
            assertEquals(
                    3,
                    socket.send("{\"prompt\":\"x\",\"max_tokens\":2}").answer().size());
        }
    }
}
