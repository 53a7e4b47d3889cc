package dev.llmworker.serving.beans;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.llmworker.generation.MockGenerator;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The worker's beans in the steps in which a user of Camel expects them: `bean`, a language, Camel's own data format.
class StepsOfCamelTest {
    private static final String STRICT_JSON = "unmarshal: {custom: {ref: strictJson}}";

    @TempDir
    Path folder;

    private RunningWorker worker(String... steps) throws Exception {
        return RunningWorker.with(
                new MockGenerator(),
                RouteFolder.in(folder)
                        .route("step", "platform-http:/step", steps)
                        .path());
    }

    @Test
    void theLanguagePromptFillsATextFromTheBodyAndFromVariables() throws Exception {
        var file = Files.writeString(folder.resolve("prompt.txt"), "From a file: {text}");
        try (var worker = worker(
                STRICT_JSON,
                "setVariable: {name: language, constant: French}",
                "setVariable: {name: file, language: {language: prompt, expression: 'resource:file:" + file + "'}}",
                "setBody: {language: {language: prompt, expression: 'To {language}: {text} {\"a\": 1}'}}",
                "setBody: {simple: '${body}|${variable.file}'}")) {
            assertEquals(
                    "To French: {language} $1 {\"a\": 1}|From a file: {language} $1",
                    worker.post("/step", "{\"text\":\"{language} $1\"}").body());
            var missing = worker.post("/step", "{}");
            assertEquals(400, missing.statusCode());
            assertEquals(
                    "{\"error\":\"text is missing; it must be a string\",\"code\":\"invalid_request\"}",
                    missing.body());
        }
    }

    @Test
    void beansAreStepsOfTheirOwnKind() throws Exception {
        try (var worker = worker(
                STRICT_JSON,
                "bean: {ref: generate}",
                "bean: {ref: answer, method: \"as(*, 'summary')\"}",
                "marshal: {custom: {ref: strictJson}}")) {
            var answer =
                    worker.post("/step", "{\"prompt\":\"x\",\"max_tokens\":3}").body();
            assertTrue(answer.startsWith("{\"summary\":\"Response to: 'x'"), answer);
        }
        try (var worker = worker(
                "convertBodyTo: {type: String}",
                "to: 'llm:generate?maxTokens=3'",
                "to: \"bean:answer?method=as(*, 'title')\"",
                "marshal: {json: {}}")) {
            var answer = worker.post("/step", "x").body();
            assertTrue(answer.startsWith("{\"title\":\"Response to: 'x'"), answer);
        }
    }

    @Test
    void theBeanAnswerTakesATextAsItIs() throws Exception {
        try (var worker = worker(
                "convertBodyTo: {type: String}",
                "bean: {ref: answer, method: \"as(*, 'summary')\"}",
                "marshal: {custom: {ref: strictJson}}")) {
            for (var text : List.of(
                    "null", "true", "7", "\"quoted\"", "'quoted'", " a, b) ", "${body}", "*", "java.lang.String")) {
                assertEquals(
                        JsonNodeFactory.instance
                                .objectNode()
                                .put("summary", text)
                                .toString(),
                        worker.post("/step", text).body());
            }
        }
    }

    @Test
    void jsonOfCamelReadsTheBodyOfAClientAndItsMistakeIsA400() throws Exception {
        try (var worker = worker("unmarshal: {json: {}}", "process: {ref: generate}", "marshal: {json: {}}")) {
            assertEquals(200, worker.post("/step", "{\"prompt\":\"x\"}").statusCode());
            var broken = worker.post("/step", "{\"prompt\":");
            assertEquals(400, broken.statusCode());
            assertEquals(
                    "{\"error\":\"the body is not the JSON that its route expects\",\"code\":\"invalid_request\"}",
                    broken.body());
        }
    }

    @Test
    void jsonOfAnotherServiceIsNotTheClientsMistake() throws Exception {
        RouteFolder.in(folder).route("service", "direct:service", "setBody: {constant: '{broken'}");
        try (var worker = worker("to: 'direct:service'", "unmarshal: {json: {}}")) {
            assertEquals(Map.of(), worker.routeFiles().problems());
            assertEquals(500, worker.post("/step", "{}").statusCode());
        }
    }
}
