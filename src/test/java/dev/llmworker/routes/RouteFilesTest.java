package dev.llmworker.routes;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.MockGenerator;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Files of routes that are broken, or change while the worker runs.
class RouteFilesTest {
    @TempDir
    Path folder;

    private RouteFolder routes;

    @BeforeEach
    void copyRoutes() throws Exception {
        routes = RouteFolder.in(folder);
    }

    private RunningWorker worker() throws Exception {
        return new RunningWorker(new MockGenerator(), Map.of("ROUTES", folder.toString(), "ROUTES_RELOAD", "true"));
    }

    private RouteFolder says(String id, String text) throws Exception {
        return routes.route(id, "platform-http:/" + id, "setBody: {constant: '" + text + "'}");
    }

    private String problem(RunningWorker worker, String id) {
        return String.valueOf(worker.routeFiles().problems().get(folder.resolve(id + ".camel.yaml")))
                .replace(folder + "/", "");
    }

    private static void awaitAnswer(RunningWorker worker, String path, int status, String body) {
        Await.until(path + " answers " + status + " " + body, () -> {
            try {
                var answer = worker.get(path);
                return answer.statusCode() == status && answer.body().contains(body);
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        });
    }

    @Test
    void brokenFilesAreReportedWithTheirLineAndTheOthersServe() throws Exception {
        routes.write("a-syntax", "- route:\n    id: a\n    from: [unclosed\n");
        routes.write("b-step", "- route:\n    from:\n      uri: direct:b\n      steps:\n        - too: direct:c\n");
        routes.route("c-bean", "platform-http:/c", "log: {message: x}", "process:\n            ref: nobody");
        routes.route("d-component", "platform-http:/d", "to: 'nothing:here'");
        routes.write(
                "zz-id", Files.readString(folder.resolve("ping.camel.yaml")).replace("/ping", "/other"));
        says("fine", "good");
        try (var worker = worker()) {
            assertEquals("good", worker.get("/fine").body());
            assertEquals(200, worker.get("/ping").statusCode());
            assertEquals(404, worker.get("/c").statusCode());
            assertTrue(problem(worker, "a-syntax").startsWith("a-syntax.camel.yaml:4: "), problem(worker, "a-syntax"));
            assertTrue(problem(worker, "b-step").startsWith("b-step.camel.yaml:5: "), problem(worker, "b-step"));
            assertEquals(
                    "c-bean.camel.yaml:7: No bean could be found in the registry for: nobody of type: org.apache.camel.Processor",
                    problem(worker, "c-bean"));
            assertTrue(
                    problem(worker, "d-component").startsWith("d-component.camel.yaml:6: "),
                    problem(worker, "d-component"));
            assertTrue(problem(worker, "d-component").contains("No endpoint could be found for: nothing://here"));
            assertEquals(
                    "zz-id.camel.yaml:8: the id ping is already the id of a route in another file",
                    problem(worker, "zz-id"));
        }
    }

    @Test
    void aFileIsLoadedAnewWhenItChanges() throws Exception {
        try (var worker = worker();
                var socket = worker.socket("/ws")) {
            assertEquals(404, worker.get("/mine").statusCode());
            says("mine", "one");
            awaitAnswer(worker, "/mine", 200, "one");
            says("mine", "two");
            awaitAnswer(worker, "/mine", 200, "two");
            routes.route("mine", "platform-http:/moved", "setBody: {constant: three}");
            awaitAnswer(worker, "/moved", 200, "three");
            assertEquals(404, worker.get("/mine").statusCode());
            Files.delete(folder.resolve("mine.camel.yaml"));
            awaitAnswer(worker, "/moved", 404, "not_found");
            // A connection of a file that nobody touched is still there.
            assertEquals(
                    3,
                    socket.send("{\"prompt\":\"x\",\"max_tokens\":2}").answer().size());
        }
    }

    @Test
    void aFileThatBreaksIsServedAsItWasUntilItIsMended() throws Exception {
        says("mine", "one");
        try (var worker = worker()) {
            routes.write("mine", "- route: [");
            Await.until("it is reported", () -> problem(worker, "mine").startsWith("mine.camel.yaml:"));
            assertEquals("one", worker.get("/mine").body());
            // It reads well, and cannot start.
            routes.route("mine", "platform-http:/mine", "process: {ref: nobody}");
            Await.until("it is reported", () -> problem(worker, "mine").contains("nobody"));
            awaitAnswer(worker, "/mine", 200, "one");
            says("mine", "two");
            awaitAnswer(worker, "/mine", 200, "two");
            assertEquals("null", problem(worker, "mine"));
        }
    }

    @Test
    void aConfigurationThatChangesHoldsForTheRoutesThatAreThere() throws Exception {
        routes.route("boom", "platform-http:/boom", "throwException: {exceptionType: java.lang.Exception, message: m}");
        try (var worker = worker()) {
            awaitAnswer(worker, "/boom", 500, "internal_error");
            routes.write("errors", """
                    - routeConfiguration:
                        onException:
                          - onException:
                              exception:
                                - java.lang.Exception
                              handled:
                                constant: "true"
                              steps:
                                - setBody:
                                    constant: mine
                    """);
            awaitAnswer(worker, "/boom", 200, "mine");
            assertEquals(200, worker.get("/ping").statusCode());
        }
    }

    @Test
    void nothingIsLoadedAnewUnlessAskedFor() throws Exception {
        try (var worker = RunningWorker.with(new MockGenerator(), folder)) {
            assertTrue(worker.routeFiles().problems().isEmpty());
            assertTrue(Thread.getAllStackTraces().keySet().stream()
                    .noneMatch(thread -> thread.getName().contains("FileWatcherReloadStrategy")));
        }
    }
}
