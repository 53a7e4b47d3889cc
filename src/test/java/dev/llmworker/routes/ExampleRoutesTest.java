package dev.llmworker.routes;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.MockGenerator;
import dev.llmworker.settings.SettingsException;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.TestSocket;
import java.io.IOException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Routes of a user's own, in a folder of their own.
class ExampleRoutesTest {
    private static final String SUMMARIZE = "summarize.camel.yaml";

    @TempDir
    Path routes;

    @BeforeEach
    void copyRoutes() throws IOException {
        copyAll(Path.of("routes"));
    }

    private void copyAll(Path folder) throws IOException {
        try (var files = Files.newDirectoryStream(folder, "*.{yaml,properties}")) {
            for (var file : files) {
                Files.copy(file, routes.resolve(file.getFileName()));
            }
        }
    }

    @Test
    void anExampleCopiedIntoTheFolderIsServed() throws Exception {
        Files.copy(Path.of("routes", "examples", SUMMARIZE), routes.resolve(SUMMARIZE));
        var engine = new ScriptedGenerator();
        try (var worker = RunningWorker.with(engine, routes)) {
            var answer = RunningWorker.HTTP.sendAsync(
                    worker.request("/summarize")
                            .POST(HttpRequest.BodyPublishers.ofString(
                                    "{\"text\":\"$1 \\\\ {text} \\\"é\\\"\",\"max_tokens\":7}"))
                            .build(),
                    BodyHandlers.ofString());
            var script = engine.next();
            assertEquals("Summarize the following text in one sentence.\n\n$1 \\ {text} \"é\"", script.prompt());
            assertEquals(7, script.request.tokenLimit());
            script.emit("It is \"short\".").finish(FinishReason.STOP);
            assertEquals(200, answer.join().statusCode());
            assertEquals("{\"summary\":\"It is \\\"short\\\".\"}", answer.join().body());
            assertEquals(
                    "application/json",
                    answer.join().headers().firstValue("Content-Type").orElse(""));
        }
    }

    @Test
    void aUsersRouteHasTheSameErrorsWithoutSayingSo() throws Exception {
        Files.copy(Path.of("routes", "examples", SUMMARIZE), routes.resolve(SUMMARIZE));
        Files.writeString(routes.resolve("boom.camel.yaml"), """
                - route:
                    id: boom
                    from:
                      uri: platform-http:/boom
                      steps:
                        - throwException:
                            exceptionType: java.lang.IllegalStateException
                            message: a secret path
                """);
        try (var worker = RunningWorker.with(new MockGenerator(), routes)) {
            assertEquals(
                    "{\"error\":\"text is missing; it must be a string\",\"code\":\"invalid_request\"}",
                    worker.post("/summarize", "{}").body());
            assertEquals(400, worker.post("/summarize", "nonsense").statusCode());
            var boom = worker.get("/boom");
            assertEquals(500, boom.statusCode());
            assertTrue(boom.body().endsWith("\"code\":\"internal_error\"}"), boom.body());
            assertTrue(!boom.body().contains("secret"), boom.body());
        }
    }

    @Test
    void aRouteBeforeTheWebsocketBeanMayMakeThePrompt() throws Exception {
        Files.writeString(routes.resolve("translate.camel.yaml"), """
                - route:
                    id: translate
                    from:
                      uri: vertx-websocket:/translate/{language}
                      steps:
                        - unmarshal:
                            custom:
                              ref: strictJson
                        - setVariable:
                            name: template
                            simple:
                              expression: "Translate to ${header.language}: {text}"
                        - process:
                            ref: template
                        - process:
                            ref: websocket
                """);
        try (var worker = RunningWorker.with(new MockGenerator(), routes);
                var socket = worker.socket("/translate/French")) {
            var answer = socket.send("{\"text\":\"good day\",\"max_tokens\":4}").answer();
            assertTrue(
                    TestSocket.text(answer).startsWith("Response to: 'Translate to French: good day'"),
                    answer.toString());
            assertEquals(
                    "{\"error\":\"text is missing; it must be a string\",\"code\":\"invalid_request\"}",
                    socket.send("{}").next());
        }
    }

    @Test
    void aFolderThatIsMissingOrEmptyIsNamed(@TempDir Path empty) {
        var missing = empty.resolve("nowhere");
        var engine = new MockGenerator();
        assertEquals(
                "ROUTES is \"" + missing + "\", which is not a folder; it must be a folder with *.camel.yaml files",
                assertThrows(SettingsException.class, () -> RunningWorker.with(engine, missing))
                        .getMessage());
        assertEquals(
                "ROUTES is \"" + empty + "\", which has no *.camel.yaml file",
                assertThrows(SettingsException.class, () -> RunningWorker.with(engine, empty))
                        .getMessage());
    }
}
