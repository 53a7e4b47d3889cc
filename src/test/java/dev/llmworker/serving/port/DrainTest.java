package dev.llmworker.serving.port;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.Await;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.testing.Metrics;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.SlowWorker;
import dev.llmworker.testing.TestSocket;
import dev.llmworker.testing.WorkerProcess;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

/// SIGTERM, of a real process: what runs comes to its end, what comes is refused, and the process ends.
class DrainTest {
    private static final String DRAINING = "\"code\":\"draining\"}";
    private static final int MEANWHILE_TOKENS = 5;
    private static final int ENDLESS_TOKENS = 1_000_000;

    private static WorkerProcess start(int drainSeconds) throws Exception {
        return WorkerProcess.start(SlowWorker.class, Map.of("DRAIN_TIMEOUT", Integer.toString(drainSeconds)));
    }

    private static String prompt(int tokens, String more) {
        return "{\"prompt\":\"x\",\"max_tokens\":" + tokens + more + "}";
    }

    private static CompletableFuture<HttpResponse<String>> post(WorkerProcess worker, String path, String body) {
        return RunningWorker.HTTP.sendAsync(
                worker.request(path)
                        .POST(HttpRequest.BodyPublishers.ofString(body))
                        .build(),
                HttpResponse.BodyHandlers.ofString());
    }

    private static void awaitRequests(WorkerProcess worker, int count) {
        Await.until("all run", () -> {
            try {
                return worker.get("/stats").body().contains("\"total_requests\":" + count + ",");
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        });
    }

    private static void awaitDraining(WorkerProcess worker) {
        Await.until("it drains", () -> {
            try {
                return worker.get("/ping").statusCode() == 503;
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        });
    }

    /// The next frame that is no token.
    private static String afterTokens(TestSocket socket) throws InterruptedException {
        var frame = socket.next();
        while (frame.contains("\"token\"")) {
            frame = socket.next();
        }
        return frame;
    }

    private static String response(int tokens, String stream) {
        return "{\"type\":\"response.create\",\"input\":\"x\",\"max_output_tokens\":" + tokens + ",\"stream_id\":\""
                + stream + "\"}";
    }

    /// The next frame that has this in it.
    private static String next(TestSocket socket, String part) throws InterruptedException {
        var frame = socket.next();
        while (!frame.contains(part)) {
            frame = socket.next();
        }
        return frame;
    }

    @Concurrent
    @Test
    void whatRunsComesToItsEndAndWhatComesIsRefused() throws Exception {
        try (var worker = start(60);
                var idle = worker.socket("/ws");
                var busy = worker.socket("/ws");
                var responses = worker.socket("/v1/responses")) {
            responses.send(response(MEANWHILE_TOKENS, "runs"));
            busy.send(prompt(MEANWHILE_TOKENS, ""));
            busy.send(prompt(MEANWHILE_TOKENS, ",\"id\":1"));
            var whole = post(worker, "/generate", prompt(MEANWHILE_TOKENS, ""));
            var events = post(worker, "/generate", prompt(MEANWHILE_TOKENS, ",\"stream\":true"));
            var openAi = post(worker, "/v1/completions", prompt(MEANWHILE_TOKENS, ",\"stream\":true"));
            var unwanted = RunningWorker.HTTP.sendAsync(
                    worker.request("/generate")
                            .header("X-Request-Id", "unwanted")
                            .POST(HttpRequest.BodyPublishers.ofString(prompt(ENDLESS_TOKENS, ",\"details\":true")))
                            .build(),
                    HttpResponse.BodyHandlers.ofString());
            awaitRequests(worker, 7);
            worker.terminate();
            awaitDraining(worker);
            assertEquals(1001, idle.closeCode());
            var ping = worker.get("/ping");
            assertTrue(ping.body().endsWith(DRAINING), ping.body());
            assertEquals("close", ping.headers().firstValue("Connection").orElse(""));
            var refused = worker.post("/generate", prompt(1, ""));
            assertEquals(503, refused.statusCode());
            assertTrue(refused.body().endsWith(DRAINING), refused.body());
            assertEquals("1", refused.headers().firstValue("Retry-After").orElse(""));
            assertTrue(worker.post("/v1/completions", prompt(1, "")).body().contains("\"type\":\"server_error\""));
            assertEquals(200, worker.get("/stats").statusCode());
            assertEquals(202, worker.post("/v1/generations/unwanted/cancel", "").statusCode());
            assertTrue(unwanted.join().body().contains("\"finish_reason\":\"cancelled\""));
            var metrics = Metrics.parse(worker.get("/metrics").body());
            assertEquals(2, metrics.value("llmworker_generations_refused_total{reason=\"draining\"}"));
            assertEquals(1, metrics.value("llmworker_engine_state{state=\"draining\"}"));
            assertEquals(0, metrics.value("llmworker_engine_state{state=\"ready\"}"));
            try (var raw = worker.raw()
                    .send("GET /ws HTTP/1.1\r\nHost: worker\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")) {
                var head = raw.head();
                assertTrue(head.startsWith("HTTP/1.1 503 "), head);
                assertTrue(head.toLowerCase().contains("retry-after: "), head);
            }
            busy.send(prompt(1, ",\"id\":2"));
            var refusedFrame = afterTokens(busy);
            assertTrue(refusedFrame.startsWith("{\"id\":2,\"error\":"), refusedFrame);
            assertTrue(refusedFrame.endsWith(DRAINING), refusedFrame);
            responses.send(response(1, "comes"));
            var refusedResponse = next(responses, "\"type\":\"error\"");
            assertTrue(refusedResponse.contains("\"code\":\"draining\""), refusedResponse);
            worker.endInput();
            next(responses, "\"type\":\"response.incomplete\"");
            assertEquals(1001, responses.closeCode());
            for (var done = 0; done < 2; done++) {
                var frame = afterTokens(busy);
                assertTrue(frame.endsWith("\"done\":true,\"total_tokens\":" + MEANWHILE_TOKENS + "}"), frame);
            }
            assertEquals(1001, busy.closeCode());
            assertEquals(
                    "{\"generated_text\":\"" + "x".repeat(MEANWHILE_TOKENS) + "\"}",
                    whole.join().body());
            assertTrue(events.join().body().endsWith("\"total_tokens\":" + MEANWHILE_TOKENS + "}\n\n"));
            assertTrue(openAi.join().body().endsWith("data: [DONE]\n\n"));
            assertEquals(WorkerProcess.SIGTERM_EXIT, worker.exit());
            assertFalse(worker.lines.stream().anyMatch(line -> line.contains("time is up")));
            assertTrue(worker.lines.stream()
                    .anyMatch(line -> line.matches(".*: refused id=[0-9a-f]{16} route=ws status=503 code=draining")));
        }
    }

    @Concurrent
    @Test
    void whatHasNoTimeLeftIsToldSoAndTheProcessEnds() throws Exception {
        try (var worker = start(1);
                var socket = worker.socket("/ws");
                var stalled = worker.raw().upgrade("/ws")) {
            socket.send(prompt(ENDLESS_TOKENS, ""));
            socket.send(prompt(ENDLESS_TOKENS, ",\"id\":1"));
            stalled.text(prompt(ENDLESS_TOKENS, ""));
            var whole = post(worker, "/generate", prompt(ENDLESS_TOKENS, ""));
            var events = post(worker, "/generate", prompt(ENDLESS_TOKENS, ",\"stream\":true"));
            var openAi = post(worker, "/v1/completions", prompt(ENDLESS_TOKENS, ",\"stream\":true"));
            awaitRequests(worker, 6);
            worker.terminate();
            for (var ends = 0; ends < 2; ends++) {
                var frame = afterTokens(socket);
                assertTrue(frame.contains("\"error\":") && frame.endsWith(DRAINING), frame);
            }
            assertEquals(1001, socket.closeCode());
            assertEquals(503, whole.join().statusCode());
            assertTrue(whole.join().body().endsWith(DRAINING), whole.join().body());
            assertTrue(events.join().body().endsWith(DRAINING + "\n\n"));
            var last = openAi.join().body();
            assertTrue(last.contains("\"type\":\"server_error\"") && !last.contains("[DONE]"), last);
            assertEquals(WorkerProcess.SIGTERM_EXIT, worker.exit());
        }
    }

    @Concurrent
    @Test
    void aSecondSignalWaitsForNothing() throws Exception {
        try (var worker = start(3_000);
                var socket = worker.socket("/ws")) {
            socket.send(prompt(ENDLESS_TOKENS, "")).next();
            worker.terminate();
            awaitDraining(worker);
            worker.terminate();
            assertEquals(1001, socket.closeCode());
            assertEquals(WorkerProcess.SIGTERM_EXIT, worker.exit());
        }
    }

    @Concurrent
    @Test
    void withoutTimeItEndsAtOnce() throws Exception {
        try (var worker = start(0);
                var socket = worker.socket("/ws");
                var idle = worker.socket("/ws")) {
            socket.send(prompt(ENDLESS_TOKENS, "")).next();
            worker.terminate();
            assertEquals(1001, idle.closeCode());
            assertEquals(1001, socket.closeCode());
            assertEquals(WorkerProcess.SIGTERM_EXIT, worker.exit());
        }
    }

    @Concurrent
    @Test
    void noKeyIsEverPrinted() throws Exception {
        var key = "a-secret-of-one-client";
        var wrong = "a-secret-that-is-none";
        try (var worker = WorkerProcess.start(SlowWorker.class, Map.of("API_KEYS", key, "DRAIN_TIMEOUT", "0"))) {
            worker.endInput();
            for (var sent : new String[] {key, wrong}) {
                for (var path : new String[] {"/generate", "/nope", "/v1/completions", "/stats"}) {
                    for (var header : new String[] {"X-API-Key", "Authorization"}) {
                        RunningWorker.send(worker.request(path + "?token=" + sent)
                                .header(header, (header.equals("X-API-Key") ? "" : "Bearer ") + sent)
                                .POST(HttpRequest.BodyPublishers.ofString(prompt(1, ""))));
                    }
                }
                try (var raw = worker.raw()
                        .send("GET /ws?token=" + sent + " HTTP/1.1\r\nHost: worker\r\nUpgrade: websocket\r\n"
                                + "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")) {
                    raw.head();
                    // Broken, so that whatever is said of it is said.
                    raw.frame(0xff, new byte[] {1});
                }
                try (var raw = worker.raw().send("GET /" + sent + "?token=" + sent + "%zz HTTP/1.1\r\n\r\n")) {
                    raw.head();
                }
            }
            worker.terminate();
            assertEquals(WorkerProcess.SIGTERM_EXIT, worker.exit());
            assertTrue(worker.lines.stream().anyMatch(line -> line.contains("1 API key: ")), "the keys are named");
            for (var line : worker.lines) {
                assertFalse(line.contains(key) || line.contains(wrong), line);
            }
        }
    }
}
