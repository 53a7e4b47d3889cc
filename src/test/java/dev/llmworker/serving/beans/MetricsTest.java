package dev.llmworker.serving.beans;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Readiness;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.Metrics;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.WorkerExtension;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/// What Prometheus gets.
class MetricsTest {
    private static final String PROMPT = "{\"prompt\":\"x\"}";
    private static final String CHAT = "gen_ai_operation_name=\"chat\"";

    private final ScriptedGenerator engine = new ScriptedGenerator();

    @RegisterExtension
    final WorkerExtension worker = WorkerExtension.of(engine);

    private double value(String series) {
        return Metrics.of(worker).value(series);
    }

    private void answerOverWebSocket(FinishReason reason, int tokens) throws Exception {
        try (var socket = worker.socket("/ws")) {
            socket.send(PROMPT);
            var script = engine.next();
            for (int i = 0; i < tokens; i++) {
                script.emit("t");
            }
            script.finish(reason);
            socket.answer();
        }
    }

    @Test
    void itIsPrometheusTextOrOpenMetricsAsTheClientAccepts() throws Exception {
        var text = worker.get("/metrics");
        assertEquals(200, text.statusCode());
        var type = text.headers().firstValue("Content-Type").orElse("");
        assertTrue(type.startsWith("text/plain; version=0.0.4"), type);
        var open = RunningWorker.send(
                worker.request("/metrics").header("Accept", "application/openmetrics-text; version=1.0.0"));
        assertTrue(open.headers().firstValue("Content-Type").orElse("").startsWith("application/openmetrics-text"));
        assertTrue(open.body().endsWith("# EOF\n"));
        assertEquals(
                405,
                RunningWorker.send(worker.request("/metrics").POST(java.net.http.HttpRequest.BodyPublishers.noBody()))
                        .statusCode());
    }

    @Test
    void generationsAreMeasuredUnderOpenTelemetrysNames() throws Exception {
        answerOverWebSocket(FinishReason.STOP, 5);
        answerOverWebSocket(FinishReason.TIMEOUT, 1);
        var metrics = Metrics.of(worker);
        assertEquals(2, metrics.value("llmworker_generations_total"));
        assertEquals(1, metrics.value("llmworker_generations_finished_total{reason=\"stop\"}"));
        assertEquals(1, metrics.value("llmworker_generations_finished_total{reason=\"timeout\"}"));
        assertEquals(0, metrics.value("llmworker_generations_running"));
        assertEquals(6, metrics.value("llmworker_prompt_tokens_total"));
        assertEquals(6, metrics.value("llmworker_generated_tokens_total"));
        assertEquals(2, metrics.sum("gen_ai_server_request_duration_seconds_count", CHAT));
        assertEquals(1, metrics.sum("gen_ai_server_request_duration_seconds_count", "error_type=\"timeout\""));
        assertEquals(2, metrics.sum("gen_ai_server_time_to_first_token_seconds_count", CHAT));
        assertEquals(
                1,
                metrics.sum("gen_ai_server_time_per_output_token_seconds_count", CHAT),
                "one token alone has no time between tokens");
        assertEquals(6, metrics.sum("gen_ai_client_token_usage_sum", "gen_ai_token_type=\"output\""));
        assertEquals(
                2,
                metrics.sum("gen_ai_client_token_usage_bucket", "gen_ai_token_type=\"input\"", "le=\"4.0\""),
                "both prompts have 3 tokens");
        assertEquals(2, metrics.sum("gen_ai_client_token_usage_count", "gen_ai_request_model=\"scripted\"") / 2);
    }

    @Test
    void refusalsAreCountedByReasonFromZero() throws Exception {
        var overloaded = "llmworker_generations_refused_total{reason=\"overloaded\"}";
        assertTrue(Metrics.of(worker).values().containsKey(overloaded), "a rate needs the zero before the first");
        engine.refusal = new RefusedException(RefusedException.Reason.OVERLOADED, "queue_full", "full");
        assertEquals(503, worker.post("/generate", PROMPT).statusCode());
        assertEquals(1, value(overloaded));
        assertEquals(0, value("llmworker_generations_running"));
    }

    @Test
    void aClientThatLeavesIsCountedWithTheTokensItNeverRead() throws Exception {
        var client = worker.raw().upgrade("/ws").text(PROMPT);
        var script = engine.next();
        Await.until("it runs", () -> value("llmworker_generations_running") == 1);
        assertEquals(1, value("llmworker_websocket_connections"));
        script.lingers = true;
        client.reset();
        script.awaitClosed();
        script.emit("a").emit("b").finish(FinishReason.CANCELLED);
        Await.until("it is counted", () -> value("llmworker_generations_finished_total{reason=\"cancelled\"}") == 1);
        assertEquals(2, value("llmworker_wasted_tokens_total"));
        assertEquals(0, value("llmworker_websocket_connections"));
        assertEquals(1, value("llmworker_websocket_connections_opened_total"));
    }

    @Test
    void httpRequestsAreCountedByRouteAndStatusAndUnknownPathsShareOne() throws Exception {
        worker.get("/ping");
        worker.get("/ping");
        worker.get("/no-such-path-1");
        worker.get("/no-such-path-2");
        worker.post("/generate", "{");
        worker.get("/stats?CamelHttpUri=x");
        answerOverWebSocket(FinishReason.STOP, 1);
        var metrics = Metrics.of(worker);
        var count = "http_server_request_duration_seconds_count";
        assertEquals(2, metrics.sum(count, "http_route=\"/ping\"", "code=\"200\"", "method=\"GET\""));
        assertEquals(2, metrics.sum(count, "http_route=\"unmatched\"", "code=\"404\""));
        assertEquals(1, metrics.sum(count, "http_route=\"unmatched\"", "code=\"400\""), "refused before any route");
        assertEquals(1, metrics.sum(count, "http_route=\"/generate\"", "code=\"400\"", "method=\"POST\""));
        assertEquals(0, metrics.sum(count, "http_route=\"/ws\""), "connections are not requests");
        assertEquals(1, metrics.value("llmworker_websocket_connections_opened_total"));
        assertFalse(metrics.values().keySet().stream().anyMatch(series -> series.contains("no-such-path")));
    }

    @Test
    void anHttpClientThatLeavesIsCountedAs499() throws Exception {
        var client = worker.raw();
        client.send(
                "POST /generate HTTP/1.1\r\nHost: worker\r\nContent-Length: " + PROMPT.length() + "\r\n\r\n" + PROMPT);
        engine.next();
        client.reset();
        Await.until(
                "it is counted",
                () -> Metrics.of(worker)
                                .sum("http_server_request_duration_seconds_count", "\"/generate\"", "code=\"499\"")
                        == 1);
    }

    @Test
    void theEnginesStateIsOneOfThoseThatAreThere() throws Exception {
        engine.readiness = new Readiness.Loading();
        assertEquals(1, value("llmworker_engine_state{state=\"loading\"}"));
        assertEquals(0, value("llmworker_engine_state{state=\"ready\"}"));
        engine.readiness = new Readiness.Ready();
        assertEquals(0, value("llmworker_engine_state{state=\"loading\"}"));
        assertEquals(1, value("llmworker_engine_state{state=\"ready\"}"));
        engine.readiness = new Readiness.Failed("gone");
        assertEquals(1, value("llmworker_engine_state{state=\"failed\"}"));
    }

    @Test
    void theProcessAndTheJvmAreThereToo() throws Exception {
        var names = Metrics.of(worker).names();
        for (var name : new String[] {
            "process_resident_memory_bytes",
            "process_open_fds",
            "process_cpu_seconds_total",
            "process_start_time_seconds",
            "jvm_memory_used_bytes",
            "jvm_gc_collection_seconds_count",
            "jvm_threads_current",
            "llmworker_build_info"
        }) {
            assertTrue(names.contains(name), name + " is missing");
        }
    }

    @Test
    void aRoutesOwnMetersAreShownBesideThem(@TempDir Path folder) throws Exception {
        Files.copy(Path.of("routes/metrics.camel.yaml"), folder.resolve("metrics.camel.yaml"));
        Files.writeString(folder.resolve("own.camel.yaml"), """
                - route:
                    id: own
                    from:
                      uri: platform-http:/own
                      steps:
                        - to:
                            uri: micrometer:counter:own.visits
                        - setBody:
                            constant:
                              expression: counted
                """);
        try (var own = RunningWorker.with(engine, folder)) {
            assertEquals(200, own.get("/own").statusCode());
            var metrics = Metrics.of(own);
            assertEquals(1, metrics.sum("own_visits_total"), metrics.names()::toString);
        }
    }
}
