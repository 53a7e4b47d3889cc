package dev.llmworker.serving.llm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The step `llm:generate` in routes of a user's own.
class LlmStepTest {
    private static final String TO_TEXT = "convertBodyTo: {type: String}";

    @TempDir
    Path folder;

    private final ScriptedGenerator engine = new ScriptedGenerator();

    private RunningWorker worker(String... steps) throws Exception {
        return RunningWorker.with(
                engine,
                RouteFolder.in(folder)
                        .route("step", "platform-http:/step", steps)
                        .path());
    }

    private static CompletableFuture<HttpResponse<String>> post(RunningWorker worker, String body) {
        return RunningWorker.HTTP.sendAsync(
                worker.request("/step")
                        .header("CamelLlmMaxTokens", "1")
                        .POST(BodyPublishers.ofString(body))
                        .build(),
                BodyHandlers.ofString());
    }

    @Test
    void theBodyIsThePromptAndThenTheText() throws Exception {
        try (var worker = worker(
                TO_TEXT,
                "to: {uri: 'llm:generate', parameters: {max_tokens: 7, temperature: 0, ignore_eos: true}}",
                "setBody: {simple: '${body}|${header.CamelLlmFinishReason}|${header.CamelLlmPromptTokens}"
                        + "|${header.CamelLlmCompletionTokens}'}")) {
            var answer = post(worker, "Why?");
            var script = engine.next();
            assertEquals("Why?", script.prompt());
            assertEquals(7, script.request.tokenLimit());
            assertEquals(0, script.request.sampling().temperature());
            assertTrue(script.request.ignoreEos());
            script.emit("Be").emit("cause").finish(FinishReason.LENGTH);
            assertEquals("Because|length|3|2", answer.join().body());
        }
    }

    @Test
    void headersOverrideTheStepWhichOverridesTheBody() throws Exception {
        try (var worker = worker(
                "unmarshal: {custom: {ref: strictJson}}",
                "setHeader: {name: CamelLlmTopK, constant: '3'}",
                "to: 'llm:generate?max_tokens=7&top_k=2'")) {
            var answer = post(worker, "{\"prompt\":\"p\",\"max_tokens\":9000,\"top_k\":9,\"temperature\":1.5}");
            var script = engine.next();
            assertEquals(7, script.request.tokenLimit());
            assertEquals(3, script.request.sampling().topK());
            assertEquals(1.5f, script.request.sampling().temperature());
            script.emit("x").finish(FinishReason.STOP);
            assertEquals("x", answer.join().body());
            assertEquals(
                    "{\"error\":\"temperature is \\\"hot\\\"; it must be a number\",\"code\":\"invalid_request\"}",
                    post(worker, "{\"prompt\":\"p\",\"temperature\":\"hot\"}")
                            .join()
                            .body());
            assertEquals(
                    "{\"error\":\"prompt is missing; it must be a string\",\"code\":\"invalid_request\"}",
                    post(worker, "{}").join().body());
        }
    }

    @Test
    void aTextThatTakesLongerThanItsTimeoutIsEnded() throws Exception {
        try (var worker = worker(TO_TEXT, "to: 'llm:generate?timeout=30ms'")) {
            var answer = post(worker, "Why?");
            // It never comes to a token, as one that waits for a slot does not.
            engine.next().awaitClosed();
            assertEquals(504, answer.join().statusCode());
            assertEquals(
                    "{\"error\":\"the answer takes longer than its route allows\",\"code\":\"timeout\"}",
                    answer.join().body());
            var endless = post(worker, "Why?");
            engine.next().endless();
            assertEquals(504, endless.join().statusCode());
        }
    }

    @Test
    void aClientThatLeavesEndsWhatIsStillQueued() throws Exception {
        try (var worker = worker(TO_TEXT, "to: 'llm:generate'");
                var client = worker.raw()) {
            client.send("POST /step HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nWhy?");
            var script = engine.next();
            client.close();
            script.awaitClosed();
        }
    }

    @Test
    void aWebSocketThatClosesEndsIt() throws Exception {
        var routes = RouteFolder.in(folder)
                .route("step", "vertx-websocket:/step", "to: 'llm:generate'")
                .path();
        try (var worker = RunningWorker.with(engine, routes)) {
            var socket = worker.socket("/step").send("Why?");
            var script = engine.next();
            script.endless();
            socket.close();
            script.awaitClosed();
        }
    }

    @Test
    void aPatientStepTriesAgainWhileTheWorkerIsBusyAndNoOther() throws Exception {
        var busy = new RefusedException(RefusedException.Reason.OVERLOADED, "overloaded", "no room");
        engine.refusal = busy;
        try (var worker = worker(TO_TEXT, "to: 'llm:generate?patience=1m'")) {
            var answer = post(worker, "Why?");
            Await.until("it was refused", () -> worker.stats.refused("overloaded") > 0);
            engine.refusal = null;
            engine.next().emit("So.").finish(FinishReason.STOP);
            assertEquals("So.", answer.join().body());
            engine.refusal =
                    new RefusedException(RefusedException.Reason.INVALID, "too_long", "the prompt is too long");
            assertEquals(
                    "{\"error\":\"the prompt is too long\",\"code\":\"too_long\"}",
                    post(worker, "Why?").join().body());
        }
    }

    @Test
    void anImpatientStepIsRefusedAtOnce() throws Exception {
        engine.refusal = new RefusedException(RefusedException.Reason.OVERLOADED, "overloaded", "no room");
        try (var worker = worker(TO_TEXT, "to: 'llm:generate'")) {
            assertEquals(503, post(worker, "Why?").join().statusCode());
        }
    }

    @Test
    void aFailureOfTheEngineIsNotTakenForAnAnswer() throws Exception {
        try (var worker = worker(TO_TEXT, "to: 'llm:generate'")) {
            for (var reason : new FinishReason[] {FinishReason.ERROR, FinishReason.TIMEOUT, FinishReason.CANCELLED}) {
                var answer = post(worker, "Why?");
                engine.next().emit("half an ans").finish(reason);
                var status = switch (reason) {
                    case TIMEOUT -> 504;
                    case CANCELLED -> 499;
                    case ERROR, STOP, LENGTH -> 500;
                };
                assertEquals(status, answer.join().statusCode(), reason.toString());
            }
        }
    }

    @Test
    void anOptionThatIsWrongIsNamedAtTheStart() throws Exception {
        assertFails("llm:generate?max_tokens=many", "max_tokens is \"many\"; it must be a whole number");
        assertFails("llm:generate?max_tokens=0", "max_tokens is 0; it must be at least 1");
        assertFails("llm:generate?max_token=5", "Unknown parameters=[{max_token=5}]");
        assertFails("llm:chat", "llm:chat is not known; the one there is is llm:generate");
    }

    private void assertFails(String uri, String message) throws Exception {
        try (var worker = worker("to: '" + uri + "'")) {
            var problem = String.valueOf(worker.routeFiles().problems().get(folder.resolve("step.camel.yaml")));
            assertTrue(problem.startsWith(folder + "/step.camel.yaml:6: "), problem);
            assertTrue(problem.contains(message), problem);
        }
    }
}
