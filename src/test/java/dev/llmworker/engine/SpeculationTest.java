package dev.llmworker.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent.Finished;
import dev.llmworker.generation.GenerationEvent.Token;
import dev.llmworker.generation.Share;
import dev.llmworker.sampling.LogitAdjustment;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.sampling.TokenHistory;
import dev.llmworker.stats.EngineStats;
import dev.llmworker.text.Detokenizer;
import dev.llmworker.text.answer.ChatFormat;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/// Draft tokens change how many steps an answer takes, and nothing else. The fake decoder's next token is a function
/// of all that its cache holds, and its time that of a CPU: a row more adds two fifths of a step.
class SpeculationTest {
    private static final int CONTEXT = 1200;
    private static final SamplingParameters REPEATING = new SamplingParameters(1, 0, 1, 0, FakeDecoder.REPEATING_SEED);
    private static final SamplingParameters ORDINARY = new SamplingParameters(1, 0, 1, 0, 3);

    private final Random random = new Random(17);
    private final WaitingQueue waiting = new WaitingQueue(100);
    private final FakeDecoder decoder = new FakeDecoder(8, CONTEXT);
    private long nowNanos;
    private int submitted;

    private Scheduler scheduler(boolean speculates) {
        decoder.mostDrafts = 15;
        decoder.work = nanos -> nowNanos += nanos;
        return new Scheduler(
                decoder,
                id -> id == FakeDecoder.END,
                waiting,
                () -> nowNanos,
                new EngineStats(),
                Runnable::run,
                speculates,
                null);
    }

    private Sequence submit(int[] prompt, int tokens, SamplingParameters sampling, @Nullable TokenHistory history) {
        var admission = new Admission(
                ++submitted,
                prompt,
                tokens,
                true,
                sampling,
                Long.MAX_VALUE / 4,
                "",
                Share.NONE,
                null,
                0,
                List.of(),
                Map.of(),
                history,
                null,
                null,
                null,
                ChatFormat.Start.OPEN);
        var sequence =
                new Sequence(admission, new Detokenizer(new LetterTokenizer()), waiting, () -> nowNanos, (_, _) -> {});
        assertTrue(waiting.offer(sequence));
        return sequence;
    }

    private int[] ids(int count) {
        return random.ints(count, 3, FakeDecoder.VOCABULARY).toArray();
    }

    /// How long answers take that arrive together, in nanoseconds. Their texts are checked.
    private long nanos(boolean speculates, int sequences, SamplingParameters sampling) {
        var scheduler = scheduler(speculates);
        List<int[]> prompts = new ArrayList<>();
        List<Sequence> all = new ArrayList<>();
        for (int i = 0; i < sequences; i++) {
            prompts.add(ids(40));
            all.add(submit(prompts.get(i), 300, sampling, null));
        }
        long begun = nowNanos;
        while (scheduler.step()) {}
        for (int i = 0; i < sequences; i++) {
            var text = new StringBuilder();
            for (var event : all.get(i)) {
                if (event instanceof Token token) {
                    text.append(token.text());
                } else if (event instanceof Finished finished) {
                    assertEquals(FinishReason.LENGTH, finished.reason());
                }
            }
            var expected = FakeDecoder.expected(prompts.get(i), sampling, 300, true);
            assertEquals(LetterTokenizer.letters(expected, 300), text.toString());
        }
        return nowNanos - begun;
    }

    /// Tokens per second of sequences that run together, until the first one ends.
    private double rate(boolean speculates, int sequences) {
        var scheduler = scheduler(speculates);
        List<Sequence> all = new ArrayList<>();
        for (int i = 0; i < sequences; i++) {
            all.add(submit(ids(40), 300, REPEATING, null));
        }
        long begun = nowNanos;
        while (all.stream().allMatch(sequence -> sequence.generated() < 300)) {
            scheduler.step();
        }
        int tokens = all.stream().mapToInt(Sequence::generated).sum();
        double rate = tokens * 1e9 / (nowNanos - begun);
        scheduler.endAll(FinishReason.CANCELLED);
        return rate;
    }

    @Test
    void anAnswerThatRepeatsItselfTakesLessTime() {
        long plain = nanos(false, 1, REPEATING);
        assertEquals(0, decoder.draftTokens);
        // Each tenth token is one that cannot be guessed, and each draft takes two fifths of a step.
        long speculated = nanos(true, 1, REPEATING);
        assertTrue(plain > 1.1 * speculated, plain + " and with drafts " + speculated);
        assertTrue(decoder.draftTokens > 50, decoder.draftTokens + " drafts");
    }

    @Test
    void fewTogetherTakeThemIfTheyPay() {
        for (int sequences = 1; sequences <= Speculation.MOST_SEQUENCES; sequences++) {
            double plain = rate(false, sequences), speculated = rate(true, sequences);
            assertTrue(speculated > 0.98 * plain, sequences + ": " + plain + " and with drafts " + speculated);
        }
    }

    @Test
    void moreThanFourTakeNone() {
        var _ = rate(true, 5);
        assertEquals(0, decoder.draftTokens);
    }

    @Test
    void anOrdinaryAnswerTakesNoLonger() {
        long plain = nanos(false, 1, ORDINARY);
        assertEquals(plain, nanos(true, 1, ORDINARY));
    }

    @Test
    void draftsThatCostMoreThanTheySaveAreLeft() {
        // A draft takes longer than a step of its own would.
        decoder.draftNanos = 12_000_000;
        long plain = nanos(false, 1, REPEATING);
        long speculated = nanos(true, 1, REPEATING);
        assertTrue(speculated < 1.03 * plain, speculated + " and without drafts " + plain);
    }

    @Test
    void anAnswerWhoseNextTokensDependOnItsFormatHasNone() {
        var scheduler = scheduler(true);
        var prompt = ids(40);
        var history = new TokenHistory(prompt, 0, new int[0]);
        history.allow(() -> new long[] {-1});
        submit(prompt, 200, REPEATING, history);
        while (scheduler.step()) {}
        assertEquals(0, decoder.draftTokens);
    }

    @Test
    void theHistoryOfEachDraftHasThoseBeforeIt() {
        var scheduler = scheduler(true);
        var prompt = ids(40);
        var sampling = new SamplingParameters(
                1, 0, 1, 0, FakeDecoder.REPEATING_SEED, new LogitAdjustment(1, 0.5f, 0, Map.of()), OptionalInt.empty());
        var history = new TokenHistory(prompt, 0, new int[0]);
        submit(prompt, 300, sampling, history);
        // The decoder compares each row's history with its cache.
        decoder.checksHistories = true;
        while (scheduler.step()) {}
        assertTrue(decoder.draftTokens > 100, decoder.draftTokens + " drafts");
        assertEquals(prompt.length + 300, history.length());
    }
}
