package dev.llmworker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.assembly.Engines;
import dev.llmworker.generation.Generator;
import dev.llmworker.generation.Readiness;
import dev.llmworker.hub.StarterModelFile;
import dev.llmworker.settings.Settings;
import dev.llmworker.stats.WorkerStats;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.TestSocket;
import io.vertx.core.Vertx;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// The whole worker with the starter model, fetched as `./worker` fetches it, over real HTTP and WebSocket.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
class StarterModelEndToEndTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String LOAD_BALANCING = """
            {"prompt":"Tell me about load balancing","max_tokens":32,"temperature":0}""";

    private final Vertx vertx = Vertx.vertx();
    private Generator generator;
    private RunningWorker worker;

    @BeforeAll
    void start(@TempDir Path folder) throws Exception {
        StarterModelFile.path();
        var stats = new WorkerStats();
        generator = Engines.start(Settings.read(new HashMap<>(System.getenv())), vertx, stats);
        var routes = RouteFolder.in(folder, "classify").path();
        worker = new RunningWorker(generator, Map.of("ROUTES", routes.toString()), stats);
        Await.until("the model is loaded", () -> !(generator.readiness() instanceof Readiness.Loading));
        assertEquals(new Readiness.Ready(), generator.readiness());
    }

    @AfterAll
    void stop() {
        worker.close();
        vertx.close();
    }

    private String generate(String body) throws Exception {
        var response = worker.post("/generate", body);
        assertEquals(200, response.statusCode(), response.body());
        var answer = JSON.readTree(response.body());
        assertEquals(1, answer.size(), response.body());
        return answer.get("generated_text").asText();
    }

    @Test
    void theFirstExampleOfTheGuideAnswersWithALabelAndNothingElse() throws Exception {
        for (var text : List.of("What a lovely day", "I love it", "The shop opens at nine")) {
            var response = worker.post("/classify", JSON.writeValueAsString(Map.of("text", text)));
            assertTrue(
                    response.body().matches("\\{\"label\":\"(positive|negative|neutral)\"}"),
                    () -> text + ": " + response.body());
        }
    }

    @Test
    void theModelContinuesARawPrompt() throws Exception {
        var text = generate("""
                {"prompt":"The capital of France is","raw":true,"max_tokens":8,"temperature":0}""");
        assertTrue(text.startsWith(" Paris"), text);
    }

    @Test
    void thePromptGoesThroughTheModelsChatTemplate() throws Exception {
        var text = generate(LOAD_BALANCING);
        assertTrue(
                text.startsWith("Load balancing is a crucial aspect of web architecture that ensures efficient"), text);
        var raw = generate(LOAD_BALANCING.replace("}", ",\"raw\":true}"));
        assertNotEquals(text, raw);
    }

    @Test
    void aGreedyTextIsTheSameOverHttpAndWebSocket() throws Exception {
        var overHttp = generate(LOAD_BALANCING);
        try (var socket = worker.socket("/ws")) {
            var frames = socket.send(LOAD_BALANCING).answer();
            assertEquals(overHttp, TestSocket.text(frames));
            assertEquals(JSON.readTree("{\"done\":true,\"total_tokens\":32}"), frames.getLast());
        }
    }

    @Test
    void aSeedGivesTheSameTextAgainAndAnotherSeedAnother() throws Exception {
        var request = """
                {"prompt":"Write a line about the sea","max_tokens":24,"temperature":1.2,"top_p":0.95,"seed":%d}""";
        assertEquals(generate(request.formatted(7)), generate(request.formatted(7)));
        assertNotEquals(generate(request.formatted(7)), generate(request.formatted(8)));
    }

    @Test
    void anAnswerEndsWhereTheModelEndsItUnlessToldToGoOn() throws Exception {
        var request = """
                {"prompt":"Say hello.","max_tokens":64,"temperature":0%s}""";
        try (var socket = worker.socket("/ws")) {
            var ended = socket.send(request.formatted("")).answer().size() - 1;
            assertTrue(ended < 64, ended + " tokens");
            var wentOn = socket.send(request.formatted(",\"ignore_eos\":true")).answer();
            assertEquals(64, wentOn.size() - 1);
        }
    }

    private String chat(String format, int seed) throws Exception {
        var body = """
                {"messages":[{"role":"user","content":"Describe a person."}],"temperature":1.5,"seed":%d,
                 "max_tokens":200,%s}""".formatted(seed, format.replace('\'', '"'));
        var response = worker.post("/v1/chat/completions", body);
        assertEquals(200, response.statusCode(), response.body());
        var choice = JSON.readTree(response.body()).path("choices").path(0);
        assertEquals("stop", choice.path("finish_reason").asText(), response.body());
        return choice.path("message").path("content").asText();
    }

    /// At a temperature at which the model says nonsense, and beside each other.
    @Test
    void anAnswerHasTheFormatThatIsAskedFor() throws Exception {
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var seeds = IntStream.range(0, 6)
                    .mapToObj(seed -> threads.submit(() -> assertFormats(seed)))
                    .toList();
            for (var ended : seeds) {
                ended.get();
            }
        }
    }

    private Void assertFormats(int seed) throws Exception {
        var schema = """
                'response_format':{'type':'json_schema','json_schema':{'name':'person','schema':{'type':'object',
                 'properties':{'name':{'type':'string','maxLength':12},'age':{'type':'integer','minimum':0,
                 'maximum':150},'role':{'enum':['admin','guest']},'tags':{'type':'array','maxItems':2,
                 'items':{'type':'string','pattern':'^[a-z]{2,5}$'}}},
                 'required':['name','age','role','tags'],'additionalProperties':false}}}""";
        var person = JSON.readTree(chat(schema, seed));
        assertEquals(4, person.size(), person::toString);
        assertTrue(person.get("name")
                        .asText()
                        .codePointCount(0, person.get("name").asText().length())
                <= 12);
        assertTrue(person.get("age").isInt() && person.get("age").asInt() <= 150, person::toString);
        assertTrue(List.of("admin", "guest").contains(person.get("role").asText()), person::toString);
        person.get("tags").forEach(tag -> assertTrue(tag.asText().matches("[a-z]{2,5}"), person::toString));
        var choice = chat("'structured_outputs':{'choice':['yes','no, never','maybe']}", seed);
        assertTrue(List.of("yes", "no, never", "maybe").contains(choice), choice);
        var date = chat("'structured_outputs':{'regex':'(19|20)[0-9]{2}-[01][0-9]'}", seed);
        assertTrue(date.matches("(19|20)[0-9]{2}-[01][0-9]"), date);
        return null;
    }

    /// Formats that allow nothing or one text, and fields that would contradict a format.
    @Test
    void aFormatSaysItselfWhereItsAnswerEnds() throws Exception {
        assertEquals("", chat("'structured_outputs':{'regex':'()'}", 1));
        assertEquals(
                "", chat("'guided_regex':'a{0,9}','stop_token_ids':[66]", 1).replace("a", ""));
        for (var field : List.of("'min_tokens':2", "'ignore_eos':true")) {
            var response =
                    worker.post("/generate", ("{'prompt':'x','guided_regex':'a*'," + field + "}").replace('\'', '"'));
            assertEquals(400, response.statusCode(), response.body());
            assertTrue(response.body().contains("a format says itself where its answer ends"), response.body());
        }
        assertEquals(
                200,
                worker.post("/generate", "{\"prompt\":\"x\",\"max_tokens\":2}").statusCode());
    }

    @Test
    void whatASchemaAsksForAndCannotGetIsRefusedByName() throws Exception {
        var response = worker.post("/v1/chat/completions", """
                {"messages":[{"role":"user","content":"Hi"}],"response_format":{"type":"json_schema","json_schema":
                 {"name":"x","schema":{"type":"object","properties":{"a":{"type":"array","uniqueItems":true}}}}}}""");
        assertEquals(400, response.statusCode(), response.body());
        var message =
                JSON.readTree(response.body()).path("error").path("message").asText();
        assertTrue(message.startsWith("response_format.json_schema.schema: $.properties.a"), message);
    }

    @Test
    void whatTheContextCannotHoldIsRefusedWithTheFigures() throws Exception {
        var response = worker.post("/generate", "{\"prompt\":\"Hi\",\"max_tokens\":1000000}");
        assertEquals(400, response.statusCode());
        var error = JSON.readTree(response.body()).get("error").asText();
        assertTrue(error.matches("max_tokens is 1000000; this model's context leaves \\d+ after the prompt"), error);
    }

    @Test
    void thirtyTwoClientsStreamAtOnceWhilePingAnswers() throws Exception {
        int clients = 32;
        int tokens = 24;
        var request = "{\"prompt\":\"Tell me a story about number %d\",\"max_tokens\":" + tokens
                + ",\"temperature\":0,\"ignore_eos\":true}";
        var sockets = new ArrayList<TestSocket>();
        for (int i = 0; i < clients; i++) {
            sockets.add(worker.socket("/ws"));
        }
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var answers = new ArrayList<Callable<List<JsonNode>>>();
            for (int i = 0; i < clients; i++) {
                var socket = sockets.get(i);
                var prompt = request.formatted(i);
                answers.add(() -> socket.send(prompt).answer());
            }
            var running = answers.stream().map(threads::submit).toList();
            while (running.stream().anyMatch(answer -> !answer.isDone())) {
                var ping = worker.get("/ping");
                assertEquals("{\"status\":\"healthy\"}", ping.body());
            }
            for (var answer : running) {
                var frames = answer.get();
                assertEquals(tokens, frames.size() - 1);
                for (int i = 0; i < tokens; i++) {
                    assertEquals(i, frames.get(i).get("index").asInt());
                }
            }
        }
        sockets.forEach(TestSocket::close);
    }

    @Test
    void aClientThatLeavesCostsTwoTokensAtMost() throws Exception {
        long wasted = worker.stats.wastedTokens();
        long cancelled = worker.stats.finished("cancelled");
        var request = """
                {"prompt":"Tell me everything","max_tokens":2000,"temperature":0,"ignore_eos":true}""";
        try (var socket = worker.socket("/ws")) {
            socket.send(request).next();
        }
        var dropped = worker.raw();
        dropped.send("POST /generate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
                + request.length() + "\r\n\r\n" + request);
        Await.until("the request runs", () -> worker.stats.runningGenerations() == 1);
        dropped.close();
        Await.until("both have ended", () -> worker.stats.finished("cancelled") == cancelled + 2);
        assertTrue(worker.stats.wastedTokens() - wasted <= 4, worker.stats.wastedTokens() + " wasted");
        assertEquals(0, worker.stats.runningGenerations());
    }
}
