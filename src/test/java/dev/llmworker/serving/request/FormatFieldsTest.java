package dev.llmworker.serving.request;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.serving.wire.Json;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.WorkerExtension;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/// Each field that asks for a format reaches the engine from each endpoint. A body is parsed without lists and objects
/// that nobody reads.
@Timeout(180)
class FormatFieldsTest {
    private static final Map<String, Object> FIELDS = Map.of(
            "response_format", Map.of("type", "json_object"),
            "structured_outputs", Map.of("choice", List.of("a", "b")),
            "guided_json", Map.of("type", "integer"),
            "guided_regex", "a+",
            "guided_choice", List.of("a", "b"));

    private final ScriptedGenerator engine = new ScriptedGenerator();

    @RegisterExtension
    final WorkerExtension worker = WorkerExtension.of(engine);

    @Test
    void eachIsThere() throws Exception {
        assertEquals(AnswerFormats.FIELDS, new HashSet<>(FIELDS.keySet()));
        for (var field : FIELDS.entrySet()) {
            var expected = AnswerFormats.read(new RequestFields(Map.of(field.getKey(), field.getValue())));
            assertNotNull(expected);
            var json = "\"" + field.getKey() + "\":" + Json.text(field.getValue());
            for (var endpoint : List.of("/generate", "/v1/completions", "/v1/chat/completions")) {
                var prompt = endpoint.contains("chat")
                        ? "\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]"
                        : "\"prompt\":\"a\"";
                var answer = RunningWorker.HTTP.sendAsync(
                        worker.request(endpoint)
                                .header("Content-Type", "application/json")
                                .POST(HttpRequest.BodyPublishers.ofString("{" + prompt + "," + json + "}"))
                                .build(),
                        HttpResponse.BodyHandlers.ofString());
                var script = engine.next();
                assertEquals(expected, script.request.format(), endpoint + " " + json);
                script.finish(FinishReason.STOP);
                assertEquals(200, answer.join().statusCode());
            }
            try (var socket = worker.socket("/ws")) {
                socket.send("{\"prompt\":\"a\"," + json + "}");
                var script = engine.next();
                assertEquals(expected, script.request.format(), "/ws " + json);
                script.finish(FinishReason.STOP);
                socket.next();
            }
        }
    }
}
