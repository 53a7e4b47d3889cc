package dev.llmworker.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.AnswerFormat;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Prompt;
import dev.llmworker.generation.Readiness;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.sampling.LogitAdjustment;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.stats.EngineStats;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import dev.llmworker.text.chat.PromptEncoder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Stop sequences, shortest answers and how their tokens reach the reader, through the whole generator.
@Timeout(180)
class EndingsTest {
    private static final int CONTEXT = 200;

    private InProcessGenerator generator;

    @BeforeEach
    void start() throws InterruptedException {
        var tokenizer = new LetterTokenizer();
        var ready = new CountDownLatch(1);
        generator = InProcessGenerator.start(
                () -> new LanguageModel(new FakeDecoder(4, CONTEXT), tokenizer, new PromptEncoder(tokenizer, null)),
                new InProcessGenerator.Limits(null, Duration.ofMinutes(1)),
                System::nanoTime,
                new EngineStats(),
                _ -> ready.countDown());
        ready.await();
        Await.until("the model is loaded", () -> !(generator.readiness() instanceof Readiness.Loading));
    }

    @AfterEach
    void close() {
        generator.close();
    }

    private record Answer(List<String> tokens, GenerationEvent.Finished end) {
        String text() {
            return String.join("", tokens);
        }
    }

    private Answer answer(String prompt, int maxTokens, int minTokens, SamplingParameters sampling, String... stop) {
        return answer(new GenerationRequest(
                new Prompt.Raw(prompt), OptionalInt.of(maxTokens), sampling, true, minTokens, List.of(stop), false));
    }

    private Answer answer(GenerationRequest request) {
        var tokens = new ArrayList<String>();
        try (var generation = generator.submit(request)) {
            for (var event : generation) {
                switch (event) {
                    case GenerationEvent.Token token -> {
                        assertEquals(tokens.size(), token.index());
                        tokens.add(token.text());
                    }
                    case GenerationEvent.Finished finished -> {
                        assertEquals(tokens.size(), finished.completionTokens());
                        return new Answer(tokens, finished);
                    }
                }
            }
        }
        throw new AssertionError("it did not end");
    }

    private Answer answer(String prompt, int maxTokens, String... stop) {
        return answer(prompt, maxTokens, 0, SamplingParameters.greedy(), stop);
    }

    /// It is no failure of the worker, and no reason to look at its log.
    @Test
    void aFormatThatCannotBeEnforcedAnyFurtherIsTheRequestsFault() {
        var first = answer("x", 1).text();
        var request = new GenerationRequest(new Prompt.Raw("x"), OptionalInt.of(10), SamplingParameters.greedy(), false)
                .withFormat(new AnswerFormat.Pattern("guided_regex", first + "é"));
        var end = answer(request).end();
        assertEquals(FinishReason.ERROR, end.reason());
        assertTrue(end.isFault());
        var error = JsonError.failed(end);
        assertEquals(400, error.status());
        assertTrue(error.message().startsWith("the answer's format cannot be enforced any further: "), error.message());
    }

    @Seeded
    @RepeatedTest(10)
    void anAnswerEndsBeforeItsStopAndCountsTheTokensOfIt(RepetitionInfo repetition) {
        var seed = Seeds.seed(repetition);
        var random = new Random(seed);
        var whole = answer("seed" + seed, 100).text();
        for (var round = 0; round < Seeds.rounds(20); round++) {
            var begin = random.nextInt(90);
            var stop = whole.substring(begin, begin + 1 + random.nextInt(6));
            var first = whole.indexOf(stop);
            var stopped = answer("seed" + seed, 100, stop, "not in it");
            assertEquals(whole.substring(0, first), stopped.text(), "seed " + seed + ", stop " + stop);
            assertEquals(
                    new GenerationEvent.Finished(
                            FinishReason.STOP,
                            ("seed" + seed).length(),
                            first + stop.length(),
                            null,
                            false,
                            0,
                            List.of(),
                            stop),
                    stopped.end(),
                    "seed " + seed);
        }
    }

    @Test
    void whatMayBeTheBeginningOfAStopIsNotLostAtTheEnd() {
        var whole = answer("hello", 40).text();
        var stopped = answer("hello", 40, whole.substring(37) + "#");
        assertEquals(whole, stopped.text());
        assertEquals(FinishReason.LENGTH, stopped.end().reason());
    }

    @Test
    void noStopEndsAnAnswerThatIsTooShortYet() {
        var whole = answer("hello", 40).text();
        var letter = whole.substring(5, 6);
        var stopped = answer("hello", 40, 10, SamplingParameters.greedy(), letter);
        var next = whole.indexOf(letter, 9);
        assertEquals(next < 0 ? whole : whole.substring(0, next), stopped.text());
    }

    @Test
    void aSequenceWithAHistoryGetsTheTextItGetsWithout() {
        for (var prompt : new String[] {"x", "hello", "y".repeat(150)}) {
            var plain = answer(prompt, 30);
            var penalised = new SamplingParameters(
                    0, 0, 1, 0, 0, new LogitAdjustment(1.1f, 0, 0, Map.of()), OptionalInt.empty());
            assertEquals(plain.text(), answer(prompt, 30, 0, penalised).text(), "the fake decoder has no penalties");
        }
    }

    @Test
    void aBiasOfATokenThatThereIsNotIsRefused() {
        var bias = new LogitAdjustment(1, 0, 0, Map.of(FakeDecoder.VOCABULARY, 1f));
        var sampling = new SamplingParameters(0, 0, 1, 0, 0, bias, OptionalInt.empty());
        var refusal = assertThrows(RefusedException.class, () -> answer("x", 5, 0, sampling));
        assertEquals("logit_bias has token 1000; this model's tokens are 0 to 999", refusal.getMessage());
    }

    @Test
    void anAnswerThatMayFillTheContextDoes() {
        var request = new GenerationRequest(
                new Prompt.Raw("hello"), OptionalInt.empty(), SamplingParameters.greedy(), true, 0, List.of(), true);
        try (var generation = generator.submit(request)) {
            GenerationEvent last = null;
            for (var event : generation) {
                last = event;
            }
            assertEquals(new GenerationEvent.Finished(FinishReason.LENGTH, 5, CONTEXT - 5), last);
        }
    }

    @Test
    void boundsAreNamed() {
        var sampling = SamplingParameters.greedy();
        var many = List.of("a", "b", "c", "d", "e", "f", "g", "h", "i");
        var prompt = new Prompt.Raw("x");
        var failure = assertThrows(
                IllegalArgumentException.class,
                () -> new GenerationRequest(prompt, OptionalInt.empty(), sampling, false, 0, many, false));
        assertEquals("stop has 9 sequences; the limit is 8", failure.getMessage());
        var tooShort = assertThrows(
                IllegalArgumentException.class,
                () -> new GenerationRequest(prompt, OptionalInt.of(3), sampling, false, 4, List.of(), false));
        assertEquals("min_tokens is 4; it must be from 0 to max_tokens", tooShort.getMessage());
    }
}
