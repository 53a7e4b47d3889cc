package dev.llmworker.serving.llm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
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
    void optionsHaveTheirNamesInCamelAndThoseOfTheApi() throws Exception {
        for (var options : new String[] {
            "maxTokens=7&topK=3&topP=0.5&minP=0.1&temperature=0.4&seed=9&ignoreEos=true&raw=true",
            "max_tokens=7&top_k=3&top_p=0.5&min_p=0.1&temperature=0.4&seed=9&ignore_eos=true&raw=true"
        }) {
            try (var worker = worker(TO_TEXT, "to: 'llm:generate?" + options + "'")) {
                var answer = post(worker, "Why?");
                var script = engine.next();
                assertEquals(7, script.request.tokenLimit());
                assertEquals(3, script.request.sampling().topK());
                assertEquals(0.5f, script.request.sampling().topP());
                assertEquals(0.4f, script.request.sampling().temperature());
                assertTrue(script.request.ignoreEos());
                script.emit("x").finish(FinishReason.STOP);
                assertEquals("x", answer.join().body());
            }
        }
    }

    @Test
    void aWrongValueThatARouteTakesFromItsClientIsTheClientsMistake() throws Exception {
        var routes = RouteFolder.in(folder)
                .route(
                        "step",
                        "platform-http:/step",
                        "setProperty: {name: n, simple: '${body}'}",
                        "toD: 'llm:generate?maxTokens=${exchangeProperty.n}'")
                .route(
                        "header",
                        "platform-http:/header",
                        TO_TEXT,
                        "setHeader: {name: CamelLlmTopP, simple: '${body}'}",
                        "to: 'llm:generate'")
                .path();
        try (var worker = RunningWorker.with(engine, routes)) {
            assertEquals(
                    "{\"error\":\"maxTokens is \\\"many\\\"; it must be a whole number\",\"code\":\"invalid_request\"}",
                    post(worker, "many").join().body());
            assertEquals(400, post(worker, "0").join().statusCode());
            var header = worker.post("/header", "wide");
            assertEquals(400, header.statusCode());
            assertTrue(header.body().contains("CamelLlmTopP is"), header.body());
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
                    case ERROR, STOP, TOOL_CALLS, CONTENT_FILTER, LENGTH -> 500;
                };
                assertEquals(status, answer.join().statusCode(), reason.toString());
            }
        }
    }

    @Test
    void anOptionThatIsWrongIsNamedAtTheStart() throws Exception {
        assertFails("llm:generate?max_tokens=many", "max_tokens is \"many\"; it must be a whole number");
        assertFails("llm:generate?max_tokens=0", "max_tokens is 0; it must be at least 1");
        assertFails("llm:generate?maxTokens=many", "maxTokens is \"many\"; it must be a whole number");
        assertFails("llm:generate?topP=2", "top_p is 2.0; it must be ");
        assertFails("llm:generate?timeout=soon", "timeout is \"soon\"; it must be a time such as 30s");
        assertFails("llm:generate?maxTokens=5&max_tokens=5", "maxTokens and max_tokens are the same option");
        assertFails(
                "llm:generate?max_token=5",
                ".yaml:6: llm:generate has no option max_token; it has maxTokens, temperature, topK, topP, minP, seed,"
                        + " minTokens, stop, presencePenalty, frequencyPenalty, repetitionPenalty, raw, ignoreEos, schema,"
                        + " responseFormat, regex, choice, tools, maxToolRounds, timeout, patience");
        assertFails("llm:chat", "llm:chat is not known; the steps are llm:generate, llm:embed, llm:rerank");
    }

    private void assertFails(String uri, String message) throws Exception {
        try (var worker = worker("to: '" + uri + "'")) {
            var problem = String.valueOf(worker.routeFiles().problems().get(folder.resolve("step.camel.yaml")));
            assertTrue(problem.startsWith(folder + "/step.camel.yaml:6: "), problem);
            assertTrue(problem.contains(message), problem);
            assertFalse(problem.contains("Failed to resolve"), problem);
        }
    }
}
