package dev.llmworker.scaling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.generation.MockGenerator;
import dev.llmworker.testing.RunningWorker;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// `LoadTest.java` against real workers, and what it makes of errors.
class LoadProgramTest {
    private static final int TOKENS = 20;

    @TempDir
    Path folder;

    private int exit;

    private JsonNode run(String url, String... more) throws Exception {
        var json = folder.resolve("load.json");
        var words = new ArrayList<>(List.of(
                "--url=" + url,
                "--requests=2",
                "--max-tokens=" + TOKENS,
                "--wait=10",
                "--json=" + json,
                "--html=" + folder.resolve("load.html")));
        words.addAll(List.of(more));
        exit = ScalingPrograms.run("LoadTest", words);
        return new ObjectMapper().readTree(json.toFile());
    }

    /// Every request was answered, with all of its tokens, of which each was timed where they come one by one.
    private static void assertComplete(JsonNode measured) {
        var answers = 2 * measured.at("/streams").asInt();
        var isStreamed = !measured.at("/over").asText().equals("http");
        assertEquals(answers, measured.at("/answers").asInt(), measured::toPrettyString);
        assertTrue(measured.at("/errors").isEmpty(), measured::toPrettyString);
        assertEquals(answers * TOKENS, measured.at("/tokens").asInt(), measured::toPrettyString);
        assertTrue(measured.at("/tokens_per_second").asDouble() > 0);
        assertEquals(
                isStreamed ? answers : 0,
                measured.at("/first_token_millis/count").asInt());
        assertEquals(
                isStreamed ? answers * (TOKENS - 1) : 0,
                measured.at("/between_tokens_millis/count").asInt());
        assertTrue(measured.at("/whole_answer_millis/p50").asDouble()
                <= measured.at("/whole_answer_millis/p99").asDouble());
    }

    @Test
    void theWorkerOverEachTransport() throws Exception {
        try (var worker = RunningWorker.with(new MockGenerator())) {
            var cases = run(worker.uri("").toString(), "--streams=1,3", "--token=secret")
                    .at("/cases");
            assertEquals(6, cases.size());
            cases.forEach(LoadProgramTest::assertComplete);
            assertEquals(0, exit);
            var page = Files.readString(folder.resolve("load.html"));
            assertTrue(page.contains("data:image/svg+xml") && page.contains("WEBSOCKET"));
            assertTrue(!page.contains("secret") && !page.contains("<script"));
        }
    }

    @Test
    void anOpenAiServerByItsBaseUrl() throws Exception {
        try (var worker = RunningWorker.with(new MockGenerator())) {
            var report = run(worker.uri("/v1").toString(), "--api=openai", "--streams=2");
            assertEquals("openai", report.at("/settings/api").asText());
            assertFalse(report.at("/settings/model").asText().isEmpty(), report::toPrettyString);
            var cases = report.at("/cases");
            assertEquals(2, cases.size(), "OpenAI's API has no WebSocket");
            cases.forEach(measured -> {
                assertEquals(4, measured.at("/answers").asInt(), measured::toPrettyString);
                assertEquals(4 * TOKENS, measured.at("/tokens").asInt(), measured::toPrettyString);
            });
            assertEquals(0, exit);
        }
    }

    @Test
    void whatIsRefusedIsCountedByItsReason() throws Exception {
        try (var balancer = new FakeBalancer(rules -> rules.refusesUpgrades = true)) {
            var cases =
                    run(balancer.url(), "--streams=1", "--over=http,websocket").at("/cases");
            assertComplete(cases.get(0));
            assertEquals(0, cases.get(1).at("/answers").asInt());
            assertEquals(2, cases.get(1).at("/errors").elements().next().asInt());
            assertTrue(cases.get(1).at("/errors").fieldNames().next().startsWith("403 "));
            assertEquals(1, exit);
        }
    }
}
