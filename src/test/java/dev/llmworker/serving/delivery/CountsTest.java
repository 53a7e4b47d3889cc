package dev.llmworker.serving.delivery;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.testing.ChatEvents;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.Metrics;
import dev.llmworker.testing.RemoteWorker;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.ScriptedServer;
import dev.llmworker.testing.TestWorker;
import dev.llmworker.text.answer.AnswerPart;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What is counted of a request, in all and for its API key, is what its `usage` says.
@Timeout(180)
class CountsTest {
    private static final String KEY = "a-key-of-the-first-client";
    private static final String CHAT = "/v1/chat/completions";
    private static final String MESSAGES = "'messages':[{'role':'user','content':'hi'}]";

    private final ScriptedGenerator engine = new ScriptedGenerator();

    private static CompletableFuture<HttpResponse<String>> post(TestWorker worker, String path, String body) {
        return RunningWorker.HTTP.sendAsync(
                worker.request(path)
                        .header("X-API-Key", KEY)
                        .POST(BodyPublishers.ofString(body.replace('\'', '"')))
                        .build(),
                BodyHandlers.ofString());
    }

    /// The last object in an answer, or in a stream, that has a `usage`.
    private static JsonNode usage(String answer) throws Exception {
        var text = answer.lines()
                .map(line -> line.startsWith("data: ") ? line.substring("data: ".length()) : line)
                .filter(line -> line.contains("\"usage\":{"))
                .reduce((_, later) -> later)
                .orElseThrow(() -> new AssertionError(answer));
        return Events.json(text).get("usage");
    }

    private static void assertCounted(TestWorker worker, JsonNode usage, int requests) throws Exception {
        var page = TestWorker.send(worker.request("/metrics").header("X-API-Key", KEY))
                .body();
        var metrics = Metrics.parse(page);
        var cached = usage.at("/prompt_tokens_details/cached_tokens").asInt();
        assertEquals(cached, metrics.value("llmworker_cached_prompt_tokens_total"));
        assertEquals(requests, metrics.sum("llmworker_key_generations_total"), page);
        assertEquals(requests, metrics.value("llmworker_generations_total"), page);
        for (var kind : Map.of("input", "prompt", "output", "completion").entrySet()) {
            var said = usage.get(kind.getValue() + "_tokens").asInt();
            assertTrue(said > 0, usage.toString());
            var label = "gen_ai_token_type=\"" + kind.getKey() + "\"";
            assertEquals(said, metrics.sum("llmworker_key_tokens_total", label), kind.getKey());
            assertEquals(said, metrics.sum("gen_ai_client_token_usage_sum", label), kind.getKey());
            var total = kind.getKey().equals("input")
                    ? "llmworker_prompt_tokens_total"
                    : "llmworker_generated_tokens_total";
            assertEquals(said, metrics.value(total), total);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "/generate|{'prompt':'x','details':true}|1",
                "/v1/chat/completions|{'messages':[{'role':'user','content':'x'}]}|1",
                "/v1/chat/completions|{'messages':[{'role':'user','content':'x'}],'n':3}|3",
                "/v1/chat/completions|{'messages':[{'role':'user','content':'x'}],'n':3,'stream':true,"
                        + "'stream_options':{'include_usage':true}}|3",
                "/v1/completions|{'prompt':['a','b']}|2",
                "/v1/completions|{'prompt':['a','b','c'],'n':2}|6",
                "/v1/completions|{'prompt':['a','b'],'n':2,'stream':true,'stream_options':{'include_usage':true}}|4"
            })
    void eachPromptCountsOnce(String path, String body, int answers) throws Exception {
        try (var worker = new RunningWorker(engine, Map.of("API_KEYS", KEY))) {
            var answer = post(worker, path, body);
            for (var i = 0; i < answers; i++) {
                engine.next().emit("a").emit("b").finish(FinishReason.STOP);
            }
            assertEquals(200, answer.join().statusCode(), answer.join().body());
            assertCounted(worker, usage(answer.join().body()), 1);
        }
    }

    @Test
    void eachRoundOfToolsCounts(@TempDir Path folder) throws Exception {
        var routes = RouteFolder.in(folder)
                .route("lookup", "'llm-tool:lookup?tags=orders'", "setBody: {constant: found}")
                .path();
        try (var worker = new RunningWorker(
                engine, Map.of("API_KEYS", KEY, "ROUTES", routes.toString(), "ROUTE_TOOLS", "orders"))) {
            var answer = post(worker, CHAT, "{" + MESSAGES + ",'tools':[{'type':'route','tags':['orders']}]}");
            engine.next()
                    .emit(new AnswerPart.CallStart(0, "c", "lookup"), new AnswerPart.CallArguments(0, "{}"))
                    .finish(FinishReason.TOOL_CALLS);
            engine.next().emit(new AnswerPart.Content("done")).finish(FinishReason.STOP);
            assertCounted(worker, usage(answer.join().body()), 1);
        }
    }

    @Test
    void whatAnotherServerSaysCountsOnceThoughItIsAskedAgain() throws Exception {
        try (var server = new ScriptedServer();
                var remote = new RemoteWorker(Map.of("API_KEYS", KEY), server)) {
            remote.awaitReady();
            var asked = new int[1];
            server.answers((_, wire) -> {
                if (asked[0]++ == 0) {
                    wire.cut();
                    return;
                }
                wire.stream()
                        .event(ChatEvents.of("{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"},"
                                + "{\"index\":1,\"delta\":{\"content\":\"b\"},\"finish_reason\":\"stop\"}"));
                wire.event(ChatEvents.usage(5, 7));
                wire.event("[DONE]");
                wire.raw("0\r\n\r\n");
            });
            var answer = post(remote.worker, CHAT, "{" + MESSAGES + ",'n':2}").join();
            assertEquals(200, answer.statusCode(), answer.body());
            assertEquals(2, asked[0]);
            assertCounted(remote.worker, usage(answer.body()), 1);
        }
    }
}
