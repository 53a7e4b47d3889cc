package dev.llmworker.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Prompt;
import dev.llmworker.generation.Readiness;
import dev.llmworker.model.decoder.PromptSizes;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.stats.HttpStats;
import dev.llmworker.stats.PrometheusPage;
import dev.llmworker.stats.WorkerIdentity;
import dev.llmworker.stats.WorkerStats;
import dev.llmworker.testing.Await;
import dev.llmworker.text.chat.PromptEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.OptionalInt;
import java.util.concurrent.Semaphore;
import org.junit.jupiter.api.Test;

/// What the engine tells of itself, as it is shown.
class EngineStatsTest {
    private static final int SLOTS = 2;
    private static final int CONTEXT = 64;

    private final WorkerStats stats = new WorkerStats();
    private final PrometheusPage page =
            new PrometheusPage(stats, new HttpStats(), new WorkerIdentity("1", () -> "ready", () -> "m"));

    private double value(String name) {
        return new String(page.scrape(null, _ -> true).bytes(), StandardCharsets.UTF_8)
                .lines()
                .filter(line -> line.startsWith(name + " "))
                .mapToDouble(line -> Double.parseDouble(line.substring(name.length() + 1)))
                .findFirst()
                .orElseThrow(() -> new AssertionError(name + " is not there"));
    }

    private static GenerationRequest request(String prompt, int tokens) {
        return new GenerationRequest(new Prompt.Raw(prompt), OptionalInt.of(tokens), SamplingParameters.greedy(), true);
    }

    private static void read(Generation generation) {
        for (var event : generation) {
            assertNotNull(event);
        }
    }

    @Test
    void slotsQueueAndCacheFillAndEmptyAgain() throws Exception {
        var decoder = new FakeDecoder(SLOTS, CONTEXT);
        // The engine makes a step when it is let.
        var steps = new Semaphore(0);
        decoder.work = _ -> steps.acquireUninterruptibly();
        var tokenizer = new LetterTokenizer();
        try (var generator = InProcessGenerator.start(
                () -> new LanguageModel(decoder, tokenizer, new PromptEncoder(tokenizer, null)),
                new InProcessGenerator.Limits(3, Duration.ofMinutes(1)),
                System::nanoTime,
                stats.engine(),
                _ -> {})) {
            Await.until("the model is loaded", () -> !(generator.readiness() instanceof Readiness.Loading));
            assertEquals(SLOTS, value("llmworker_slots"));
            assertEquals(SLOTS * CONTEXT, value("llmworker_kv_cache_positions"));
            assertEquals(value("llmworker_kv_cache_bytes"), value("llmworker_kv_cache_kind_bytes{kind=\"full\"}"));
            assertEquals(3, value("llmworker_queue_limit"));

            var first = generator.submit(request("abcde", 10));
            var second = generator.submit(request("fghij", 10));
            var third = generator.submit(request("klmno", 10));
            // Both have their prompts in the cache, and some of their tokens.
            steps.release(8);
            Await.until(
                    "both run",
                    () -> value("llmworker_slots_used") == SLOTS && value("llmworker_kv_cache_used_positions") >= 11);
            assertEquals(1, value("llmworker_generations_waiting"));

            steps.release(1000);
            read(first);
            read(second);
            read(third);
            Await.until(
                    "all have ended",
                    () -> value("llmworker_slots_used") == 0 && value("llmworker_kv_cache_used_positions") == 0);
            assertEquals(0, value("llmworker_generations_waiting"));
            assertEquals(30, value("llmworker_engine_decoded_tokens_total"));
            assertEquals(15, value("llmworker_engine_prefilled_tokens_total"), 3);
            assertTrue(value("llmworker_engine_steps_total") >= 10);
            assertTrue(value("llmworker_engine_busy_seconds_total") > 0);
        }
    }

    @Test
    void aPromptThatBeganBeforeIsCountedAsCached() throws Exception {
        var tokenizer = new LetterTokenizer();
        var decoder = new FakeDecoder(SLOTS, 512);
        try (var generator = InProcessGenerator.start(
                () -> new LanguageModel(decoder, tokenizer, new PromptEncoder(tokenizer, null)),
                new InProcessGenerator.Limits(3, Duration.ofMinutes(1)),
                System::nanoTime,
                stats.engine(),
                _ -> {})) {
            Await.until("the model is loaded", () -> !(generator.readiness() instanceof Readiness.Loading));
            // Of which whole chunks are taken over.
            var prompt = "abcdefghij".repeat(30);
            int cached = 2 * PromptSizes.OF_CPU.alone();
            try (var first = generator.submit(request(prompt, 2))) {
                read(first);
            }
            try (var again = generator.submit(request(prompt, 2))) {
                read(again);
                var timings = again.timings();
                assertNotNull(timings);
                assertEquals(cached, timings.cachedTokens());
                assertTrue(timings.queuedNanos() >= 0);
                assertTrue(timings.firstTokenNanos() >= timings.queuedNanos());
                assertTrue(timings.totalNanos() >= timings.firstTokenNanos());
            }
            assertEquals(cached, value("llmworker_cached_prompt_tokens_total"));
        }
    }
}
