package dev.llmworker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.llmworker.assembly.Engines;
import dev.llmworker.generation.Generator;
import dev.llmworker.generation.MockGenerator;
import dev.llmworker.generation.Readiness;
import dev.llmworker.hub.StarterModelFile;
import dev.llmworker.model.NativeLibrary;
import dev.llmworker.settings.Settings;
import dev.llmworker.stats.WorkerStats;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.Curl;
import dev.llmworker.testing.LoopbackServer;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import io.vertx.core.Vertx;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The answers that README.md and docs/ show come from the starter model. The commands are read out of the pages and
/// run: `$ curl … localhost:8080/…` and `$ wscat --connect ws://localhost:8080/…`, each with the lines that follow it.
///
/// With native kernels they come word for word, if they ask for temperature 0. Elsewhere rounding differs, and only
/// the form of the answers is compared.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
class DocumentedAnswersTest {
    /// What no two answers have alike.
    private static final List<String> CHANGING = List.of("id", "created", "created_at");
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Pattern WSCAT = Pattern.compile("wscat --connect ws://localhost:8080(?<path>/\\S*)");
    private static final Pattern COPY = Pattern.compile("cp routes/examples/(\\w+)\\.camel\\.yaml routes/");
    private static final String PROMPT = "$ ";
    private static final String MCP = "/mcp";
    private static final Set<String> OF_OTHER_TASKS = Set.of("/v1/embeddings", "/v1/rerank");

    private final Vertx vertx = Vertx.vertx();
    private Generator generator;
    private RunningWorker worker;
    private boolean isNative;

    /// A command of a page, and what the page shows below it.
    private record Sample(String page, String command, List<String> shown) {
        @Override
        public String toString() {
            return page + ": " + command;
        }
    }

    @BeforeAll
    void start(@TempDir Path folder) throws Exception {
        StarterModelFile.path();
        isNative = NativeLibrary.problem() == null;
        var environment = new HashMap<>(System.getenv());
        environment.put("KERNELS", isNative ? "native" : "auto");
        var stats = new WorkerStats();
        generator = Engines.start(Settings.read(environment), vertx, stats);
        var examples = new ArrayList<String>();
        for (var sample : samples()) {
            var copied = COPY.matcher(sample.command());
            if (copied.matches()) {
                examples.add(copied.group(1));
            }
        }
        var routes = RouteFolder.in(folder, examples.toArray(String[]::new));
        worker = new RunningWorker(generator, Map.of("ROUTES", routes.path().toString()), stats);
        Await.until("the model is loaded", () -> !(generator.readiness() instanceof Readiness.Loading));
        assertEquals(new Readiness.Ready(), generator.readiness());
    }

    @AfterAll
    void stop() {
        worker.close();
        vertx.close();
    }

    private static List<Sample> samples() throws IOException {
        var samples = new ArrayList<Sample>();
        try (var pages = Files.list(Path.of("docs"))) {
            var all = new ArrayList<>(pages.filter(page -> page.toString().endsWith(".md"))
                    .sorted()
                    .toList());
            all.addFirst(Path.of("README.md"));
            for (var page : all) {
                addSamples(page, samples);
            }
        }
        return samples;
    }

    private static void addSamples(Path page, List<Sample> samples) throws IOException {
        List<String> shown = null;
        for (var line : Files.readAllLines(page)) {
            if (line.startsWith(PROMPT)) {
                shown = new ArrayList<>();
                samples.add(new Sample(page.toString(), line.substring(PROMPT.length()), shown));
            } else if (line.startsWith("```")) {
                shown = null;
            } else if (shown != null) {
                shown.add(line);
            }
        }
    }

    @Test
    void whatCurlIsShownToAnswerComes() throws Exception {
        var tried = runAll(worker, path -> !OF_OTHER_TASKS.contains(path) && !path.equals(MCP));
        assertTrue(tried >= 20, tried + " commands were found");
    }

    @Test
    void whatCurlIsShownToAnswerByMcpComes(@TempDir Path folder) throws Exception {
        try (var shop = new LoopbackServer();
                var tools = new RunningWorker(
                        new MockGenerator(),
                        Map.of(
                                "ROUTES",
                                RouteFolder.in(folder, "orders").path().toString(),
                                "MCP_TOOLS",
                                "orders",
                                "ORDERS_URL",
                                shop.address("/orders").toString()))) {
            shop.on("/orders/7", exchange -> {
                var order = "{\"number\": 7, \"at\": \"Trieste\"}\n".getBytes(StandardCharsets.UTF_8);
                exchange.sendResponseHeaders(200, order.length);
                exchange.getResponseBody().write(order);
                exchange.close();
            });
            assertEquals(3, runAll(tools, MCP::equals));
        }
    }

    /// Each endpoint of README's table is called by a command whose answer is shown.
    @Test
    void eachEndpointOfTheReadmeHasAnExample() throws Exception {
        var table = Files.readString(Path.of("README.md"));
        table = table.substring(table.indexOf("| Who calls | Endpoints |"));
        var endpoints = Pattern.compile("`(/[a-z][^`]*)`")
                .matcher(table.substring(0, table.indexOf("\n\n")))
                .results()
                .map(found -> found.group(1))
                .toList();
        assertTrue(endpoints.size() >= 17, endpoints.toString());
        var shown = new HashSet<String>();
        for (var sample : samples()) {
            Curl.parse(sample.command()).ifPresent(curl -> shown.add(curl.path()));
            var wscat = WSCAT.matcher(sample.command());
            if (wscat.matches()) {
                shown.add(wscat.group("path"));
            }
        }
        for (var endpoint : endpoints) {
            var path = Pattern.compile(endpoint.replaceAll("\\{\\w+}", "[^/]+"));
            assertTrue(shown.stream().anyMatch(one -> path.matcher(one).matches()), endpoint);
        }
    }

    /// Runs the commands of a block one after the other. An id that a page shows stands for the one that came, in what
    /// follows.
    ///
    /// @return how many had an answer
    private int runAll(RunningWorker called, Predicate<String> wanted) throws Exception {
        var tried = 0;
        var ids = new HashMap<String, String>();
        var inBackground = new ArrayList<InputStream>();
        try {
            for (var sample : samples()) {
                var command = sample.command();
                for (var id : ids.entrySet()) {
                    command = command.replace(id.getKey(), id.getValue());
                }
                var curl = Curl.parse(command);
                if (curl.isPresent() && wanted.test(curl.get().path())) {
                    tried += run(called, curl.get(), sample, ids, inBackground);
                }
            }
        } finally {
            for (var stream : inBackground) {
                stream.close();
            }
        }
        return tried;
    }

    private int run(
            RunningWorker called, Curl curl, Sample sample, Map<String, String> ids, List<InputStream> inBackground)
            throws Exception {
        var shown = String.join("\n", sample.shown());
        if (curl.isInBackground() && shown.isEmpty()) {
            var accepted = called.stats.requests();
            RunningWorker.HTTP.sendAsync(curl.request(called), BodyHandlers.discarding());
            Await.until("it is accepted", () -> called.stats.requests() > accepted);
            return 0;
        }
        if (curl.isInBackground()) {
            var stream = RunningWorker.HTTP
                    .send(curl.request(called), BodyHandlers.ofInputStream())
                    .body();
            inBackground.add(stream);
            var reader = new BufferedReader(new InputStreamReader(stream, StandardCharsets.UTF_8));
            for (var line : sample.shown()) {
                assertLine(sample, line, Objects.requireNonNull(reader.readLine()), ids);
            }
            return 1;
        }
        var response = RunningWorker.HTTP.send(curl.request(called), BodyHandlers.ofString());
        var isError = shown.startsWith("{\"error\"");
        assertEquals(isError, response.statusCode() >= 400, sample + " " + response.body());
        if (curl.shownLines() == null) {
            assertAnswer(sample, shown, response.body(), curl.body());
            learnIds(JSON.readTree(shown), JSON.readTree(response.body()), ids);
        } else {
            var lines = response.body().lines().filter(line -> line.startsWith(curl.shownLines()));
            assertEquals(names(sample.shown().stream()), names(lines), sample.toString());
        }
        return 1;
    }

    private static void assertLine(Sample sample, String shown, String came, Map<String, String> ids)
            throws IOException {
        var data = "data: ";
        if (!shown.startsWith(data)) {
            assertEquals(shown, came, sample.toString());
            return;
        }
        var expected = JSON.readTree(shown.substring(data.length()));
        var found = JSON.readTree(came.substring(data.length()));
        assertEquals(form(expected), form(found), sample.toString());
        learnIds(expected, found, ids);
    }

    private static void learnIds(JsonNode shown, JsonNode came, Map<String, String> ids) {
        var id = shown.path("id").asText();
        if (id.startsWith("resp_")) {
            ids.put(id, came.path("id").asText());
        }
        shown.properties().forEach(member -> learnIds(member.getValue(), came.path(member.getKey()), ids));
    }

    /// What stands before the numbers.
    private static List<String> names(Stream<String> lines) {
        return lines.map(line -> line.substring(0, line.lastIndexOf(' '))).toList();
    }

    @Test
    void whatWscatIsShownToAnswerComes() throws Exception {
        var tried = 0;
        for (var sample : samples()) {
            var wscat = WSCAT.matcher(sample.command());
            if (wscat.matches()) {
                try (var socket = worker.socket(wscat.group("path"))) {
                    String sent = null;
                    for (var line : sample.shown()) {
                        if (line.startsWith("> ")) {
                            sent = line.substring(2);
                            socket.send(sent);
                        } else {
                            assertTrue(line.startsWith("< "), sample + " " + line);
                            assertAnswer(sample, line.substring(2), socket.next(), sent);
                        }
                    }
                }
                tried++;
            }
        }
        assertTrue(tried >= 2, tried + " commands were found");
    }

    @ParameterizedTest
    @CsvSource({"/v1/embeddings, embed", "/v1/rerank, rerank"})
    void whatAWorkerOfAnotherTaskIsShownToAnswerComes(String path, String task) throws Exception {
        var environment = new HashMap<>(System.getenv());
        environment.putAll(Map.of("TASK", task, "KERNELS", isNative ? "native" : "auto"));
        var tried = 0;
        try (var vectors = Engines.start(Settings.read(environment), vertx, new WorkerStats());
                var other = RunningWorker.with(vectors)) {
            Await.until("the model is loaded", () -> !(vectors.readiness() instanceof Readiness.Loading));
            for (var sample : samples()) {
                var curl = Curl.parse(sample.command());
                if (curl.isPresent() && curl.get().path().equals(path)) {
                    var response = RunningWorker.HTTP.send(curl.get().request(other), BodyHandlers.ofString());
                    assertEquals(200, response.statusCode(), sample + " " + response.body());
                    var shown = JSON.readTree(String.join("\n", sample.shown()));
                    assertClose(shown, JSON.readTree(response.body()), sample.toString());
                    tried++;
                }
            }
        }
        assertEquals(1, tried);
    }

    /// The numbers are near each other, because not every CPU rounds alike. Ids differ.
    private static void assertClose(JsonNode shown, JsonNode came, String what) {
        assertEquals(form(shown), form(came), what);
        if (shown.isNumber()) {
            assertEquals(shown.asDouble(), came.asDouble(), 0.01, what);
        } else if (shown.isArray()) {
            assertEquals(shown.size(), came.size(), what);
            for (var i = 0; i < shown.size(); i++) {
                assertClose(shown.get(i), came.get(i), what);
            }
        } else if (shown.isObject()) {
            shown.properties().forEach(member -> assertClose(member.getValue(), came.get(member.getKey()), what));
        }
    }

    /// Each `curl` and `wscat` to the worker that a page shows with an answer is one of those above.
    @Test
    void noAnswerIsLeftOut() throws Exception {
        for (var sample : samples()) {
            if (sample.command().contains("localhost:8080") && !sample.shown().isEmpty()) {
                assertTrue(
                        Curl.parse(sample.command()).isPresent()
                                || WSCAT.matcher(sample.command()).matches(),
                        sample + " is a command that this test cannot run");
            }
        }
    }

    private void assertAnswer(Sample sample, String shown, String came, @Nullable String request) throws IOException {
        var greedy =
                request != null && JSON.readTree(request).path("temperature").asDouble(1) == 0;
        if (isNative && greedy) {
            assertEquals(lasting(JSON.readTree(shown)), lasting(JSON.readTree(came)), sample.toString());
        } else {
            assertEquals(form(JSON.readTree(shown)), form(JSON.readTree(came)), sample.toString());
        }
    }

    /// The same answer without ids and times.
    private static JsonNode lasting(JsonNode answer) {
        if (answer instanceof ObjectNode object) {
            object.remove(CHANGING);
        }
        answer.forEach(DocumentedAnswersTest::lasting);
        return answer;
    }

    /// The members and their types.
    private static JsonNode form(JsonNode answer) {
        var form = JsonNodeFactory.instance.objectNode();
        answer.properties()
                .forEach(member -> form.put(
                        member.getKey(), member.getValue().getNodeType().toString()));
        return form;
    }
}
