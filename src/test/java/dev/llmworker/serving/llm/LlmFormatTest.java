package dev.llmworker.serving.llm;

import static java.util.Objects.requireNonNull;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.AnswerFormat;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Prompt;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.apache.camel.ResolveEndpointFailedException;
import org.apache.camel.impl.DefaultCamelContext;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Steps `llm:generate` that say what the answer looks like, and other options of a request.
class LlmFormatTest {
    private static final String SCHEMA = "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"}}}";
    private static final String TO_TEXT = "convertBodyTo: {type: String}";

    @TempDir
    Path folder;

    @TempDir
    Path files;

    private final ScriptedGenerator engine = new ScriptedGenerator();

    private RunningWorker worker(String... steps) throws Exception {
        return RunningWorker.with(
                engine,
                RouteFolder.in(folder)
                        .route("step", "platform-http:/step", steps)
                        .path());
    }

    private static CompletableFuture<HttpResponse<String>> post(RunningWorker worker, String body) {
        return post(worker, "/step", body);
    }

    private static CompletableFuture<HttpResponse<String>> post(RunningWorker worker, String path, String body) {
        return RunningWorker.HTTP.sendAsync(
                worker.request(path).POST(BodyPublishers.ofString(body)).build(), BodyHandlers.ofString());
    }

    @Test
    void aSchemaGivesTheValueAndNotItsText() throws Exception {
        var file = Files.writeString(files.resolve("city.json"), SCHEMA);
        try (var worker = worker(
                TO_TEXT,
                "to: {uri: 'llm:generate', parameters: {schema: 'file:" + file + "'}}",
                "setBody: {simple: '${body[city]} ${body[sizes][1]}'}")) {
            var answer = post(worker, "Where?");
            var script = engine.next();
            assertEquals(new AnswerFormat.Json("structured_outputs.json", SCHEMA), script.request.format());
            script.emit("{\"city\":\"Rome\",").emit("\"sizes\":[1,2.5]}").finish(FinishReason.STOP);
            assertEquals("Rome 2.5", answer.join().body());
        }
    }

    @Test
    void anAnswerThatIsNotWholeIsAnError() throws Exception {
        try (var worker = worker(TO_TEXT, "to: 'llm:generate?responseFormat=json_object'")) {
            var cut = post(worker, "Where?");
            var script = engine.next();
            assertEquals(AnswerFormat.Json.object("response_format"), script.request.format());
            script.emit("{\"city\"").emit(":").finish(FinishReason.LENGTH);
            assertEquals(
                    "{\"error\":\"the answer was cut after 2 tokens, so it is not what responseFormat says; raise"
                            + " maxTokens\",\"code\":\"invalid_answer\"}",
                    cut.join().body());
            assertEquals(502, cut.join().statusCode());
            // As of a server that does not enforce the format, or after a stop sequence.
            var stopped = post(worker, "Where?");
            engine.next().emit("{\"city\":\"R").finish(FinishReason.STOP);
            assertEquals(
                    "{\"error\":\"the answer is not JSON, as responseFormat says it must be\",\"code\":\"invalid_answer\"}",
                    stopped.join().body());
        }
    }

    /// Another server may ignore the format, or write members in another order.
    @Test
    void anAnswerIsWhatTheFormatSaysOrAnError() throws Exception {
        var schema = "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"string\"}},"
                + "\"required\":[\"a\",\"b\"],\"additionalProperties\":false}";
        var file = Files.writeString(files.resolve("two.json"), schema);
        var cases = Map.of(
                "schema=file:" + file,
                List.of("{\"b\": \"x\",\n\"a\": 1}", "{\"b\":\"x\"}"),
                "responseFormat=json_schema&schema=file:" + file,
                List.of("{\"a\":1,\"b\":\"\"}", "{\"a\":\"1\",\"b\":\"\"}"),
                "responseFormat=json_object",
                List.of("{}", "[]"),
                "regex=[0-9]{3}",
                List.of("123", "1234"),
                "choice=yes,no",
                List.of("no", "No."));
        var routes = RouteFolder.in(folder);
        var formats = List.copyOf(cases.keySet());
        for (var i = 0; i < formats.size(); i++) {
            routes.route(
                    "step" + i,
                    "platform-http:/step/" + i,
                    TO_TEXT,
                    "to: 'llm:generate?" + formats.get(i) + "'",
                    "setBody: {constant: ok}");
        }
        try (var worker = RunningWorker.with(engine, routes.path())) {
            for (var i = 0; i < formats.size(); i++) {
                var answers = requireNonNull(cases.get(formats.get(i)));
                var right = post(worker, "/step/" + i, "Where?");
                engine.next().emit(answers.getFirst()).finish(FinishReason.STOP);
                assertEquals("ok", right.join().body(), formats.get(i));
                var wrong = post(worker, "/step/" + i, "Where?");
                engine.next().emit(answers.getLast()).finish(FinishReason.STOP);
                var option = formats.get(i).contains("schema=")
                        ? "schema"
                        : formats.get(i).replaceAll("=.*", "");
                assertEquals(
                        "{\"error\":\"the answer is not what " + option
                                + " says it must be\",\"code\":\"invalid_answer\"}",
                        wrong.join().body());
                assertEquals(502, wrong.join().statusCode());
            }
        }
    }

    @Test
    void aFormatThatCannotBeCheckedIsRefusedBeforeItIsAskedFor() throws Exception {
        try (var worker =
                worker(TO_TEXT, "to: {uri: 'llm:generate', parameters: {schema: '{\"uniqueItems\":true}'}}")) {
            var answer = post(worker, "Where?").join();
            assertEquals(400, answer.statusCode());
            assertTrue(answer.body().contains("structured_outputs.json: $.uniqueItems"), answer.body());
        }
    }

    @Test
    void anyTextIsAFormatToo() throws Exception {
        try (var worker = worker(TO_TEXT, "to: 'llm:generate?responseFormat=text'")) {
            var answer = post(worker, "Where?");
            var script = engine.next();
            assertNull(script.request.format());
            script.emit("Rome").finish(FinishReason.LENGTH);
            assertEquals("Rome", answer.join().body());
        }
    }

    @Test
    void choicesAndExpressionsGiveTheirText() throws Exception {
        try (var worker = worker(TO_TEXT, "to: 'llm:generate?choice=yes,no'", "to: 'llm:generate?regex=[0-9]{3}'")) {
            var answer = post(worker, "Is it?");
            var first = engine.next();
            assertEquals(
                    new AnswerFormat.Choice("structured_outputs.choice", List.of("yes", "no")), first.request.format());
            first.emit("yes").finish(FinishReason.STOP);
            var second = engine.next();
            assertEquals("yes", second.prompt());
            assertEquals(new AnswerFormat.Pattern("structured_outputs.regex", "[0-9]{3}"), second.request.format());
            second.emit("123").finish(FinishReason.STOP);
            assertEquals("123", answer.join().body());
        }
    }

    @Test
    void theFormatOfAStepReplacesThatOfTheBody() throws Exception {
        try (var worker =
                worker("unmarshal: {custom: {ref: strictJson}}", "to: 'llm:generate?choice=yes,no&minTokens=0'")) {
            var answer = post(worker, "{\"prompt\":\"p\",\"guided_regex\":\"x\"}");
            var script = engine.next();
            assertEquals(
                    new AnswerFormat.Choice("structured_outputs.choice", List.of("yes", "no")),
                    script.request.format());
            script.emit("no").finish(FinishReason.STOP);
            assertEquals("no", answer.join().body());
        }
    }

    @Test
    void aListIsAConversationAndOtherFieldsAreOptionsToo() throws Exception {
        try (var worker = worker(
                "unmarshal: {custom: {ref: strictJson}}",
                "setBody: {simple: '${body[talk]}'}",
                "setHeader: {name: CamelLlmFrequencyPenalty, constant: '0.25'}",
                "to: 'llm:generate?stop=END&presencePenalty=0.5&repetition_penalty=1.5&minTokens=2'")) {
            var answer = post(
                    worker,
                    "{\"talk\":[{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":\"Hi\"}]}");
            var script = engine.next();
            assertEquals(2, ((Prompt.Chat) script.request.prompt()).messages().size());
            assertEquals(List.of("END"), script.request.stop());
            assertEquals(2, script.request.minTokens());
            var adjustment = script.request.sampling().adjustment();
            assertEquals(0.5f, adjustment.presencePenalty());
            assertEquals(0.25f, adjustment.frequencyPenalty());
            assertEquals(1.5f, adjustment.repetitionPenalty());
            assertNull(script.request.format());
            script.emit("Hello").finish(FinishReason.STOP);
            assertEquals("Hello", answer.join().body());
        }
    }

    @Test
    void aWrongFormatIsReportedWhenTheRouteIsLoaded() throws Exception {
        try (var context = new DefaultCamelContext()) {
            context.addComponent("llm", new LlmComponent());
            assertEquals(
                    "schema and regex are both there; an answer has one format",
                    problem(context, "llm:generate?schema={}&regex=a"));
            assertEquals(
                    "responseFormat and choice are both there; an answer has one format",
                    problem(context, "llm:generate?responseFormat=text&choice=a"));
            assertEquals(
                    "responseFormat is json_schema, and schema is missing",
                    problem(context, "llm:generate?responseFormat=json_schema"));
            assertTrue(problem(context, "llm:generate?choice=a,,b").contains("an empty text between two commas"));
            assertTrue(problem(context, "llm:generate?responseFormat=yaml")
                    .contains("it must be text, json_object or json_schema"));
            assertTrue(problem(context, "llm:generate?schema=file:" + files.resolve("none.json"))
                    .contains("none.json"));
            assertTrue(problem(context, "llm:generate?schema={\"type\":").contains("is a text that is not JSON"));
        }
    }

    private static String problem(DefaultCamelContext context, String uri) {
        var failure = assertThrows(ResolveEndpointFailedException.class, () -> context.getEndpoint(uri));
        return String.valueOf(requireNonNull(failure.getCause()).getMessage());
    }
}
