package dev.llmworker.routes;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.MockGenerator;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.LogLines;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import java.net.http.HttpRequest;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
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
    void nothingIsReloadedOnceTheWorkerStops() throws Exception {
        var worker = worker();
        var files = worker.routeFiles();
        worker.close();
        says("late", "late");
        files.reload();
        assertTrue(worker.context().getRoutes().isEmpty());
        assertEquals(Map.of(), files.problems());
    }

    @Test
    void aFileThatAConfigurationBreaksIsNamedAndServedAsItWas() throws Exception {
        says("mine", "one");
        var errors = """
                - routeConfiguration:
                    onException:
                      - onException:
                          exception:
                            - java.lang.Exception
                          steps:
                            - process:
                                ref: BEAN
                """;
        try (var worker = worker()) {
            awaitAnswer(worker, "/mine", 200, "one");
            routes.write("errors", errors.replace("BEAN", "nobody"));
            Await.until("it is reported", () -> problem(worker, "mine").contains("nobody"));
            assertTrue(
                    problem(worker, "mine")
                            .startsWith("mine.camel.yaml: it cannot be loaded with the configuration of"
                                    + " errors.camel.yaml: "),
                    problem(worker, "mine"));
            assertEquals("null", problem(worker, "errors"));
            assertEquals("one", worker.get("/mine").body());
            routes.write("errors", errors.replace("BEAN", "ping"));
            Await.until("all is well", () -> worker.routeFiles().problems().isEmpty());
            awaitAnswer(worker, "/mine", 200, "one");
        }
    }

    private static void assertTaken(String problem, String file, String path, String owner) {
        assertTrue(problem.matches(file + "[.]camel[.]yaml:\\d+: .*"), problem);
        assertTrue(problem.contains(path + " is already served by " + owner + ".camel.yaml; "), problem);
    }

    @Test
    void aPathIsServedByOneRoute() throws Exception {
        routes.route("a-any", "platform-http:/generate", "setBody: {constant: mine}");
        says("first", "one");
        routes.route("second", "'platform-http:/first/?httpMethodRestrict=GET,POST'", "setBody: {constant: two}");
        routes.route("u-one", "'platform-http:/users/{id}?httpMethodRestrict=GET'", "setBody: {constant: one}");
        routes.route("u-two", "'platform-http:/users/{name}?httpMethodRestrict=PUT,GET'", "setBody: {constant: two}");
        routes.route("u-put", "'platform-http:/users/{name}?httpMethodRestrict=POST'", "setBody: {constant: put}");
        routes.route("v-rest", "rest:get:first", "setBody: {constant: rest}");
        routes.route("w-json", "'platform-http:/typed?consumes=application/json'", "setBody: {constant: json}");
        routes.route("w-text", "'platform-http:/typed?consumes=text/plain'", "setBody: {constant: text}");
        routes.route("x-ws", "vertx-websocket:///ws", "process: {ref: websocket}");
        routes.route("y-env", "platform-http:/{{env:NO_SUCH_NAME:first}}", "setBody: {constant: placeholder}");
        routes.write(
                "z-dsl",
                "- rest:\n    path: /first\n    get:\n      - to: direct:z\n- route:\n    from:\n"
                        + "      uri: direct:z\n      steps:\n        - setBody: {constant: z}\n");
        try (var worker = worker()) {
            assertEquals("mine", worker.post("/generate", "{}").body());
            assertTaken(problem(worker, "generate"), "generate", "POST /generate", "a-any");
            assertEquals("one", worker.get("/first").body());
            assertTaken(problem(worker, "second"), "second", "GET,POST /first", "first");
            assertTaken(problem(worker, "u-two"), "u-two", "GET,PUT /users/{name}", "u-one");
            assertTaken(problem(worker, "v-rest"), "v-rest", "GET /first", "first");
            assertTaken(problem(worker, "x-ws"), "x-ws", "WebSocket /ws", "ws");
            assertTaken(problem(worker, "y-env"), "y-env", "/first", "first");
            assertTrue(
                    problem(worker, "z-dsl").contains("GET /first is already served by first"),
                    problem(worker, "z-dsl"));
            for (var fine : List.of("u-one", "u-put", "w-json", "w-text")) {
                assertEquals("null", problem(worker, fine));
            }
            for (var waiting : List.of("v-rest", "y-env", "z-dsl")) {
                Files.delete(folder.resolve(waiting + ".camel.yaml"));
            }
            // It serves as soon as the path is free, and the other way round.
            routes.write(
                    "first",
                    Files.readString(folder.resolve("first.camel.yaml")).replace("/first", "/moved"));
            routes.route("second", "platform-http:/first", "setBody: {constant: two}");
            awaitAnswer(worker, "/first", 200, "two");
            awaitAnswer(worker, "/moved", 200, "one");
            says("mine", "one");
            awaitAnswer(worker, "/mine", 200, "one");
            routes.route("mine", "platform-http:/first", "setBody: {constant: three}");
            Await.until("it is refused", () -> problem(worker, "mine").contains("already served by second"));
            assertEquals("two", worker.get("/first").body());
            assertEquals("one", worker.get("/mine").body());
        }
    }

    @Test
    void theMoreExactPathGoesFirstWhateverItsFileIsCalled() throws Exception {
        routes.route("a", "'platform-http:/?matchOnUriPrefix=true'", "setBody: {constant: all}");
        routes.route("b", "'platform-http:/orders?matchOnUriPrefix=true'", "setBody: {constant: orders}");
        routes.route("c", "platform-http:/orders/{id}", "setBody: {constant: one}");
        routes.route("d", "platform-http:/orders/new", "setBody: {constant: new}");
        routes.route("e", "platform-http:/{shop}/{id}/items", "setBody: {constant: any}");
        routes.route("f", "platform-http:/{shop}/new/items", "setBody: {constant: shop}");
        try (var worker = worker()) {
            assertEquals("new", worker.get("/orders/new").body());
            assertEquals("one", worker.get("/orders/7").body());
            assertEquals("orders", worker.get("/orders/7/lines").body());
            assertEquals("any", worker.get("/a/7/items").body());
            assertEquals("shop", worker.get("/a/new/items").body());
            assertEquals("all", worker.get("/other").body());
            assertEquals("{\"status\":\"healthy\"}", worker.get("/ping").body());
            assertEquals("all", worker.get("/ws").body());
            try (var socket = worker.socket("/ws")) {
                assertEquals(
                        3,
                        socket.send("{\"prompt\":\"x\",\"max_tokens\":2}")
                                .answer()
                                .size());
            }
        }
    }

    @Test
    void httpAndAWebSocketShareAPath() throws Exception {
        for (var get : new String[] {"GET,POST", "POST"}) {
            routes.route("a-http", "'platform-http:/both?httpMethodRestrict=" + get + "'", "setBody: {constant: http}");
            routes.route("b-ws", "vertx-websocket:/both", "process: {ref: websocket}");
            routes.route("c-http", "'platform-http:/ws?httpMethodRestrict=" + get + "'", "setBody: {constant: http}");
            routes.route("d-all", "platform-http:/d", "setBody: {constant: http}");
            routes.route("e-ws", "vertx-websocket:/d", "process: {ref: websocket}");
            try (var worker = worker()) {
                assertEquals(Map.of(), worker.routeFiles().problems());
                for (var path : new String[] {"/both", "/ws", "/d"}) {
                    assertEquals("http", worker.post(path, "{}").body());
                    var plain = get.equals("POST") && !path.equals("/d") ? 426 : 200;
                    assertEquals(plain, worker.get(path).statusCode(), path);
                    try (var socket = worker.socket(path)) {
                        assertEquals(
                                3,
                                socket.send("{\"prompt\":\"x\",\"max_tokens\":2}")
                                        .answer()
                                        .size());
                    }
                }
                var answer = RunningWorker.send(
                        worker.request("/both").method("DELETE", HttpRequest.BodyPublishers.noBody()));
                assertEquals(405, answer.statusCode());
                assertTrue(answer.headers().firstValue("Allow").orElse("").contains("POST"));
            }
        }
    }

    @Test
    void whatIsMissingIsNamedWithTheConnectorThatHasIt() throws Exception {
        routes.route("kafka", "direct:k", "to: 'kafka:foo?groupId=x'");
        routes.route("mail", "direct:m", "to: 'smtps:host?username=me&password=secret'");
        routes.route("language", "direct:l", "setBody: {jsonpath: '$.x'}");
        routes.route("format", "direct:f", "unmarshal: {csv: {}}");
        routes.route("breaker", "direct:b", "circuitBreaker: {steps: [{log: x}]}");
        routes.route("typo", "direct:t", "to: 'kafak:foo'");
        routes.route("unknown", "direct:u", "to: 'nothing:foo'");
        routes.write(
                "bean",
                "- beans:\n    - name: pool\n      type: com.acme.Pool\n- route:\n    from:\n      uri: direct:p\n"
                        + "      steps:\n        - to: 'bean:pool'\n");
        routes.write(
                "builder",
                "- beans:\n    - name: pg\n      type: org.postgresql.ds.PGSimpleDataSource\n- route:\n"
                        + "    from:\n      uri: direct:q\n      steps:\n        - to: 'bean:pg'\n");
        try (var worker = worker()) {
            assertTrue(
                    problem(worker, "kafka").endsWith("kafka://foo?groupId=x; CONNECTORS=camel-kafka fetches it"),
                    problem(worker, "kafka"));
            assertTrue(problem(worker, "mail").endsWith("; CONNECTORS=camel-mail fetches it"), problem(worker, "mail"));
            assertTrue(
                    problem(worker, "language").endsWith("jsonpath; CONNECTORS=camel-jsonpath fetches it"),
                    problem(worker, "language"));
            assertTrue(
                    problem(worker, "format").endsWith("; CONNECTORS=camel-csv fetches it"), problem(worker, "format"));
            assertTrue(
                    problem(worker, "breaker").endsWith("; CONNECTORS=camel-resilience4j fetches it"),
                    problem(worker, "breaker"));
            assertTrue(
                    problem(worker, "typo").endsWith("did you mean kafka (CONNECTORS=camel-kafka)?"),
                    problem(worker, "typo"));
            assertTrue(
                    problem(worker, "unknown").endsWith("Camel has no component of that name"),
                    problem(worker, "unknown"));
            assertTrue(
                    problem(worker, "bean")
                            .endsWith(
                                    "the class com.acme.Pool is not on the class path; CONNECTORS=GROUP:ARTIFACT:VERSION"
                                            + " fetches it, or put its jar into the folder connectors/"),
                    problem(worker, "bean"));
            assertTrue(
                    problem(worker, "builder").contains("CONNECTORS=org.postgresql:postgresql:VERSION "),
                    problem(worker, "builder"));
        }
    }

    @Test
    void anOptionThatIsNoneIsOneSentence() throws Exception {
        routes.route("timer", "'timer:tick?perod=1000&token=5'", "log: x");
        routes.route("value", "'timer:tick?period=soon'", "log: x");
        try (var worker = worker()) {
            assertEquals("timer.camel.yaml:4: timer://tick has no option perod, token", problem(worker, "timer"));
            assertTrue(problem(worker, "value").contains("soon"), problem(worker, "value"));
            assertFalse(problem(worker, "value").contains("Failed to resolve"), problem(worker, "value"));
        }
    }

    @Test
    void anEmptiedFileAndAFileOfAnotherEndingAreNamed() throws Exception {
        says("mine", "one");
        Files.writeString(folder.resolve("comments.camel.yaml"), "# later\n\n");
        Files.writeString(folder.resolve("b.yaml"), "- route: {}");
        Files.writeString(folder.resolve("c.yml"), "");
        try (var log = new LogLines("dev.llmworker.Worker");
                var worker = worker()) {
            assertEquals(
                    "comments.camel.yaml: the file is empty; write a route into it, or delete it",
                    problem(worker, "comments"));
            assertEquals(
                    List.of("not served, because the name of a route file ends with .camel.yaml: b.yaml c.yml"),
                    log.with("not served"));
            routes.write("mine", "");
            Await.until("it is reported", () -> problem(worker, "mine").contains("the file is empty"));
            assertEquals("one", worker.get("/mine").body());
            Files.writeString(folder.resolve("d.yaml"), "- route: {}");
            Await.until("it is named", () -> log.with("not served").size() == 2);
            says("mine", "two");
            awaitAnswer(worker, "/mine", 200, "two");
            assertEquals("null", problem(worker, "mine"));
        }
    }

    @Test
    void aFileThatCannotBeReadIsReportedAndTheOthersAreReloaded() throws Exception {
        says("mine", "one");
        says("windows", "notepad");
        var windows = folder.resolve("windows.camel.yaml");
        Files.writeString(
                windows, "\uFEFF" + Files.readString(windows).replace("\n", "\r\n"), StandardCharsets.UTF_16LE);
        try (var worker = worker()) {
            assertEquals("notepad", worker.get("/windows").body());
            Files.write(folder.resolve("a.camel.yaml"), new byte[] {'#', '\n', (byte) 0xE9});
            Await.until("it is reported", () -> problem(worker, "a").endsWith("a.camel.yaml: line 2 is not UTF-8"));
            says("mine", "two");
            awaitAnswer(worker, "/mine", 200, "two");
            says("a", "now");
            awaitAnswer(worker, "/a", 200, "now");
            assertEquals("null", problem(worker, "a"));
        }
    }

    @Test
    void aFileThatIsAgainWhatItWasHasNoProblem() throws Exception {
        says("mine", "one");
        try (var worker = worker()) {
            routes.write("mine", "- route: [");
            Await.until("it is reported", () -> problem(worker, "mine").startsWith("mine.camel.yaml:"));
            says("mine", "one");
            Await.until("it is loaded", () -> problem(worker, "mine").equals("null"));
            assertEquals("one", worker.get("/mine").body());
        }
    }

    @Test
    void aFileThatIsStillWrittenIsNotReported() throws Exception {
        says("mine", "one");
        try (var log = new LogLines("dev.llmworker.Worker");
                var worker = worker()) {
            var whole = Files.readString(folder.resolve("mine.camel.yaml")).replace("one", "two");
            routes.write("mine", whole.substring(0, whole.indexOf("      steps:")));
            routes.write("mine", "");
            routes.write("mine", whole);
            awaitAnswer(worker, "/mine", 200, "two");
            assertEquals(List.of(), log.with("mine.camel.yaml:"));
        }
    }

    @Test
    void nothingIsLoadedAnewUnlessAskedFor() throws Exception {
        try (var worker = RunningWorker.with(new MockGenerator(), folder)) {
            assertTrue(worker.routeFiles().problems().isEmpty());
            // The thread of an earlier worker may still be ending. One of this worker would stay.
            Await.until(
                    "no thread watches the folder",
                    () -> Thread.getAllStackTraces().keySet().stream()
                            .noneMatch(thread -> thread.getName().contains("FileWatcherReloadStrategy")));
        }
    }
}
