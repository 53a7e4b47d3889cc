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
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/// Draft tokens change how many steps an answer takes, and nothing else. The fake decoder's next token is a function
/// of all that its cache holds, and its time that of a CPU: a row more adds two fifths of a step.
class SpeculationTest {
    private static final int CONTEXT = 1200;
    private static final SamplingParameters REPEATING = new SamplingParameters(1, 0, 1, 0, FakeDecoder.REPEATING_SEED);
    private static final SamplingParameters LOOPING = new SamplingParameters(1, 0, 1, 0, FakeDecoder.LOOPING_SEED);
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
        return submit(prompt, tokens, sampling, history, List.of());
    }

    /// @param stop ends the text after 100 tokens
    private Sequence submit(
            int[] prompt, int tokens, SamplingParameters sampling, @Nullable TokenHistory history, List<String> stop) {
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
                100,
                stop,
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

    /// Sequences end if a step fails for lack of memory, but none for guesses.
    @Test
    void ifMemoryRunsOutInAStepWithDraftsThereAreNoMore() {
        var drafts = new AtomicInteger();
        decoder.fails = () -> {
            boolean hasDrafts = decoder.draftTokens > drafts.getAndSet(decoder.draftTokens);
            return hasDrafts && decoder.draftTokens > 20 && decoder.recoveries == 0;
        };
        nanos(true, 2, REPEATING);
        assertEquals(1, decoder.recoveries);
        assertTrue(decoder.draftTokens < 40, decoder.draftTokens + " drafts");
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

    /// Tokens per second of each of these sequences, while all of them run.
    private double[] rates(boolean speculates, SamplingParameters... samplings) {
        var scheduler = scheduler(speculates);
        List<Sequence> all = new ArrayList<>();
        for (var sampling : samplings) {
            all.add(submit(ids(40), 1000, sampling, null));
        }
        while (all.stream().anyMatch(sequence -> sequence.generated() == 0)) {
            scheduler.step();
        }
        var before = all.stream().mapToInt(Sequence::generated).toArray();
        long begun = nowNanos;
        while (all.stream().allMatch(sequence -> sequence.generated() < 950)) {
            scheduler.step();
        }
        var rates = new double[samplings.length];
        for (int i = 0; i < rates.length; i++) {
            rates[i] = (all.get(i).generated() - before[i]) * 1e9 / (nowNanos - begun);
        }
        scheduler.endAll(FinishReason.CANCELLED);
        return rates;
    }

    /// Drafts take so little here that one sequence would have use for all of them.
    @Test
    void sequencesThatRepeatThemselvesShareTheDrafts() {
        decoder.draftNanos = -3_600_000;
        double[] plain = rates(false, LOOPING, LOOPING), rates = rates(true, LOOPING, LOOPING);
        for (int i = 0; i < 2; i++) {
            assertTrue(rates[i] > 1.5 * plain[i], rates[i] + " per second, and without drafts " + plain[i]);
        }
        assertEquals(1, rates[0] / rates[1], 0.2);
    }

    @Test
    void draftsOfOneSequenceDoNotHoldUpTheOthers() {
        for (long draftNanos : new long[] {-3_000_000, -2_600_000, 0, 2_000_000}) {
            decoder.draftNanos = draftNanos;
            double[] plain = rates(false, LOOPING, ORDINARY);
            decoder.draftTokens = 0;
            double[] rates = rates(true, LOOPING, ORDINARY);
            String cost = ", and drafts that take " + draftNanos + " ns more than a row";
            assertTrue(rates[1] > 0.65 * plain[1], rates[1] + " instead of " + plain[1] + " per second" + cost);
            double sum = DoubleStream.of(rates).sum(),
                    sumPlain = DoubleStream.of(plain).sum();
            assertTrue(sum > 0.98 * sumPlain, sum + " instead of " + sumPlain + " per second" + cost);
            if (draftNanos == -3_000_000) {
                assertTrue(sum > 1.2 * sumPlain, sum + " instead of " + sumPlain + " per second" + cost);
                assertTrue(decoder.draftTokens > 500, decoder.draftTokens + " drafts");
            }
        }
    }

    /// What drafts take is forgotten slowly while they are not worth it. Who cannot have them does not count.
    @Test
    void guessesOfASequenceThatMayNotDraftChangeNothing() {
        var once = ids(20);
        var prompt = IntStream.concat(IntStream.of(once), IntStream.of(once)).toArray();
        var history = new TokenHistory(prompt, 0, new int[0]);
        history.allow(() -> new long[] {-1});
        var withFormat = submit(prompt, 200, REPEATING, history);
        var free = submit(prompt, 200, REPEATING, null);
        var speculation = new Speculation(15, CONTEXT);
        for (int i = 0; i < 4; i++) {
            speculation.stepTook(1, 0, 10_000_000);
        }
        speculation.stepTook(1, 1, 40_000_000);
        for (int i = 0; i < 2000; i++) {
            assertEquals(0, speculation.drafts(List.of(withFormat))[0].length);
        }
        assertEquals(0, speculation.drafts(List.of(free))[0].length);
        for (int i = 0; i < 2000; i++) {
            var _ = speculation.drafts(List.of(free));
        }
        assertTrue(speculation.drafts(List.of(free))[0].length > 0);
    }

    /// The cache then holds drafts that were right, but are no part of the text.
    @Test
    void aTextThatEndsAmongItsDraftsEndsThereInTheCacheToo() {
        decoder.draftNanos = -3_600_000;
        var scheduler = scheduler(true);
        var prompt = ids(40);
        var expected = FakeDecoder.expected(prompt, LOOPING, 300, true);
        for (int end = 121; end < 129; end++) {
            var stop = LetterTokenizer.letters(Arrays.copyOfRange(expected, end - 5, end), 5);
            var sequence = submit(prompt, 300, LOOPING, null, List.of(stop));
            while (scheduler.step()) {}
            assertTrue(sequence.generated() >= 100 && sequence.generated() <= end, sequence.generated() + " tokens");
            assertEquals(sequence.cached(), Arrays.stream(decoder.cached).max().orElseThrow());
            decoder.clearSlot(0, CONTEXT);
            scheduler.endAll(FinishReason.CANCELLED);
            scheduler = scheduler(true);
        }
        assertTrue(decoder.draftTokens > 500, decoder.draftTokens + " drafts");
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
