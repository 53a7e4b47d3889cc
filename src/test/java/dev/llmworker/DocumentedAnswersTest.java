package dev.llmworker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.llmworker.assembly.Engines;
import dev.llmworker.generation.Generator;
import dev.llmworker.generation.Readiness;
import dev.llmworker.hub.StarterModelFile;
import dev.llmworker.model.NativeLibrary;
import dev.llmworker.settings.Settings;
import dev.llmworker.stats.WorkerStats;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import io.vertx.core.Vertx;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
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
/// run: `$ curl localhost:8080/…` and `$ wscat --connect ws://localhost:8080/…`, each with the lines that follow it.
///
/// With native kernels they come word for word, if they ask for temperature 0. Elsewhere rounding differs, and only
/// the form of the answers is compared.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
class DocumentedAnswersTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Pattern CURL = Pattern.compile("curl localhost:8080(?<path>/\\S*) -d '(?<body>[^']*)'");
    private static final Pattern WSCAT = Pattern.compile("wscat --connect ws://localhost:8080(?<path>/\\S*)");
    private static final Pattern COPY = Pattern.compile("cp routes/examples/(\\w+)\\.camel\\.yaml routes/");
    private static final String PROMPT = "$ ";
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
        var tried = 0;
        for (var sample : samples()) {
            var curl = CURL.matcher(sample.command());
            if (curl.matches() && !OF_OTHER_TASKS.contains(curl.group("path"))) {
                var response = worker.post(curl.group("path"), curl.group("body"));
                assertEquals(200, response.statusCode(), sample + " " + response.body());
                assertAnswer(sample, String.join("\n", sample.shown()), response.body(), curl.group("body"));
                tried++;
            }
        }
        assertTrue(tried >= 2, tried + " commands were found");
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
                var curl = CURL.matcher(sample.command());
                if (curl.matches() && curl.group("path").equals(path)) {
                    var response = other.post(path, curl.group("body"));
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
                        CURL.matcher(sample.command()).matches()
                                || WSCAT.matcher(sample.command()).matches(),
                        sample + " is a command that this test cannot run");
            }
        }
    }

    private void assertAnswer(Sample sample, String shown, String came, @Nullable String request) throws IOException {
        var greedy =
                request != null && JSON.readTree(request).path("temperature").asDouble(1) == 0;
        if (isNative && greedy) {
            assertEquals(shown, came.strip(), sample.toString());
        } else {
            assertEquals(form(JSON.readTree(shown)), form(JSON.readTree(came)), sample.toString());
        }
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
