package dev.llmworker.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent.Finished;
import dev.llmworker.generation.GenerationEvent.Token;
import dev.llmworker.generation.PrefixHold;
import dev.llmworker.generation.Share;
import dev.llmworker.model.decoder.PromptSizes;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.stats.EngineStats;
import dev.llmworker.stats.PrefixFigures;
import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import dev.llmworker.text.Detokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;

/// Thousands of random arrivals, cancels and time-outs through the real scheduler over a fake decoder and an injected
/// clock. Many prompts begin alike or go on from what was answered before, so that caches are reused all the time.
class SchedulerSimulationTest {
    private static final int CONTEXT = 400;
    private static final int REQUESTS = 400;
    private static final int MAX_PROMPT = 300;
    private static final int MAX_TOKENS = 60;
    /// Steps that one request can keep the next waiting for: its prompt in the smallest chunks, every other of which
    /// another one may take and some steps of which go without, and its answer.
    private static final int STEPS_PER_REQUEST = 2 * (MAX_PROMPT / FakeDecoder.LEAST_PROMPT_TOKENS + 1)
            + MAX_PROMPT / FakeDecoder.LEAST_PROMPT_TOKENS / PrefillBudget.STEPS_PER_PLAIN
            // A prompt is also cut at two positions that are kept.
            + 6
            // A cached prefix may come back in pieces.
            + 8
            + MAX_TOKENS;

    private long nowNanos;
    private int steps;
    private @Nullable Arrival oldestBefore;
    private int doneBefore;
    private int prefilledBefore;
    private int progressAt;
    private final Set<Arrival> started = new HashSet<>();
    private final List<Arrival> arrivals = new ArrayList<>();
    private final List<PrefixHold> holds = new ArrayList<>();

    /// One request and what became of it.
    private static final class Arrival {
        final Admission admission;
        final Sequence sequence;
        final boolean refused;
        int finishedTimes;

        @Nullable
        FinishReason reason;

        int generatedAtClose = -1;
        final int arrivedAtStep;
        final int ahead;

        Arrival(Admission admission, WaitingQueue waiting, LongSupplier clock, int step, int ahead) {
            this.admission = admission;
            this.arrivedAtStep = step;
            this.ahead = ahead;
            this.sequence =
                    new Sequence(admission, new Detokenizer(new LetterTokenizer()), waiting, clock, this::finished);
            this.refused = !waiting.offer(sequence);
        }

        private void finished(Sequence sequence, FinishReason why) {
            finishedTimes++;
            reason = why;
        }
    }

    @Seeded
    @RepeatedTest(25)
    void everyRequestGetsItsOwnTextAndEndsOnce(RepetitionInfo repetition) {
        simulate(Seeds.seed(repetition), false);
    }

    /// Pages for little more than the longest sequence, up to those for all slots.
    @Seeded
    @RepeatedTest(25)
    void everyRequestGetsItsOwnTextThoughPagesRunOut(RepetitionInfo repetition) {
        simulate(Seeds.seed(repetition) + 1_000_003, true);
    }

    private void simulate(long seed, boolean inPages) {
        var random = new Random(seed);
        var decoder = new FakeDecoder(1 + random.nextInt(6), CONTEXT, random.nextBoolean(), random.nextBoolean());
        decoder.rowsAreIndependent = !decoder.deterministic() && random.nextBoolean();
        decoder.work = _ -> nowNanos += random.nextInt(4);
        decoder.mostDrafts = decoder.needsKept() || random.nextBoolean() ? 0 : 1 + random.nextInt(16);
        if (random.nextBoolean()) {
            decoder.sizes = new PromptSizes(16, 64, 256, 1 + random.nextInt(4));
        }
        if (inPages) {
            int pageTokens = 1 << 2 + random.nextInt(6);
            int least = Math.ceilDiv(CONTEXT, pageTokens) + 1;
            decoder.pageBy(least + random.nextInt(1 + least * random.nextInt(4)), pageTokens);
        }
        // From room for a few pieces to room for all.
        decoder.copyUpTo(inPages ? 0 : random.nextInt(3) == 0 ? 0 : 1L << 22 + random.nextInt(12));
        boolean memoryRunsOut = random.nextInt(3) == 0;
        if (memoryRunsOut) {
            decoder.fails = () -> random.nextInt(100) == 0;
        }
        var waiting = new WaitingQueue(1 + random.nextInt(20));
        var stats = new EngineStats();
        var scheduler =
                new Scheduler(decoder, id -> id == FakeDecoder.END, waiting, () -> nowNanos, stats, Runnable::run);
        boolean isQuiet = random.nextBoolean();
        int idleSteps = 0;
        while (arrivals.size() < REQUESTS || idleSteps < 2) {
            int burst = burst(random, isQuiet);
            for (int i = 0; i < burst && arrivals.size() < REQUESTS; i++) {
                arrive(random, waiting, scheduler);
            }
            if (random.nextInt(4) == 0) {
                closeOne(random);
            }
            nowNanos += random.nextInt(20);
            int prefilled = decoder.promptTokens;
            idleSteps = scheduler.step() ? 0 : idleSteps + 1;
            checkBudget(decoder.promptTokens - prefilled, decoder.sizes, "seed " + seed);
            steps++;
            assertTrue(scheduler.running() <= decoder.description().slots(), "more sequences than slots, seed " + seed);
            if (inPages) {
                checkProgress("seed " + seed);
            } else {
                checkWaits("seed " + seed);
            }
            assertTrue(
                    PrefixFigures.bytes(stats) <= PrefixFigures.mostBytes(stats),
                    PrefixFigures.bytes(stats) + " bytes of copies, seed " + seed);
        }
        assertEquals(0, scheduler.running(), "slots leaked with seed " + seed);
        scheduler.endAll(FinishReason.CANCELLED);
        assertEquals(0, PrefixFigures.bytes(stats), "copies leaked with seed " + seed);
        var failed = arrivals.stream()
                .filter(arrival -> arrival.reason == FinishReason.ERROR)
                .count();
        // A step with draft tokens that fails ends the drafts, and no request.
        int ending = decoder.recoveries - decoder.failedDrafts;
        assertTrue(decoder.failedDrafts <= 1, decoder.failedDrafts + " steps with drafts failed, seed " + seed);
        assertTrue(memoryRunsOut ? failed >= ending : failed == 0, failed + " errors of " + ending + ", seed " + seed);
        arrivals.forEach(arrival -> check(arrival, "seed " + seed + " request " + arrival.admission.id()));
    }

    /// Calls of prompts begin while some of the budget is left, and one takes at most all of it. The fake decoder
    /// checks what goes beside rows.
    private static void checkBudget(int tokens, PromptSizes sizes, String where) {
        int most = 2 * sizes.alone() - sizes.least();
        assertTrue(tokens <= most, tokens + " tokens of prompts in a step, of at most " + most + ", " + where);
    }

    /// The oldest request that was taken always goes on: its prompt advances, or its answer does. It never loses its
    /// room.
    private void checkProgress(String where) {
        var oldest = arrivals.stream()
                .filter(arrival -> !arrival.refused
                        && arrival.finishedTimes == 0
                        && arrival.sequence.timings().queuedNanos() >= 0)
                .min(Comparator.comparingLong(arrival -> arrival.sequence.taken()));
        int done = oldest.map(arrival -> arrival.sequence.prefilled() + MAX_PROMPT * arrival.sequence.generated())
                .orElse(-1);
        var same = oldest.orElse(null);
        int prefilled = same == null ? 0 : same.sequence.prefilled();
        assertTrue(
                same != oldestBefore || prefilled >= prefilledBefore,
                where + ": the oldest request had " + prefilledBefore + " tokens in the cache, and has " + prefilled);
        prefilledBefore = prefilled;
        if (same != oldestBefore || done > doneBefore) {
            oldestBefore = same;
            doneBefore = done;
            progressAt = steps;
        }
        assertTrue(
                steps - progressAt <= 8 * PrefillBudget.STEPS_PER_PLAIN, where + ": the oldest request does not go on");
    }

    /// While a worker is quiet, most slots hold prefixes of ended sequences.
    private static int burst(Random random, boolean isQuiet) {
        if (isQuiet) {
            return random.nextInt(12) == 0 ? 1 : 0;
        }
        return random.nextInt(8) == 0 ? random.nextInt(12) : random.nextInt(2);
    }

    private void arrive(Random random, WaitingQueue waiting, Scheduler scheduler) {
        var prompt = prompt(random);
        var admission = PlainAdmission.of(
                arrivals.size(),
                prompt,
                1 + random.nextInt(Math.min(MAX_TOKENS, CONTEXT - prompt.length)),
                random.nextInt(4) == 0,
                new SamplingParameters(
                        1, 0, 1, 0, random.nextInt(3) + (random.nextBoolean() ? FakeDecoder.REPEATING_SEED : 0)),
                random.nextInt(6) == 0 ? random.nextInt(600) : Long.MAX_VALUE / 4,
                random.nextInt(4) == 0 ? "other" : "",
                Share.NONE,
                hold(random));
        int ahead = waiting.size() + scheduler.running();
        arrivals.add(new Arrival(admission, waiting, () -> nowNanos, steps, ahead));
    }

    /// A conversation's, which is new or one of a few before; or none. Some conversations end.
    private @Nullable PrefixHold hold(Random random) {
        if (random.nextBoolean()) {
            return null;
        }
        if (holds.size() > 3) {
            holds.remove(random.nextInt(holds.size())).release();
        }
        if (holds.isEmpty() || random.nextInt(3) == 0) {
            holds.add(new PrefixHold());
        }
        return holds.get(random.nextInt(holds.size()));
    }

    /// New, or the beginning of an earlier one with another end, or an earlier one with its answer and more.
    private int[] prompt(Random random) {
        int length = 1 + random.nextInt(random.nextInt(5) == 0 ? MAX_PROMPT : 20);
        var fresh = random.ints(length, 3, FakeDecoder.VOCABULARY).toArray();
        if (arrivals.isEmpty() || random.nextInt(3) == 0) {
            return fresh;
        }
        var earlier = arrivals.get(arrivals.size() - 1 - random.nextInt(Math.min(40, arrivals.size()))).admission;
        var begin = earlier.prompt();
        if (random.nextBoolean()) {
            var answer = FakeDecoder.expected(begin, earlier.sampling(), earlier.tokenLimit(), earlier.ignoreEos());
            begin = join(begin, answer, answer.length);
        } else {
            begin = Arrays.copyOf(begin, 1 + random.nextInt(begin.length));
        }
        begin = Arrays.copyOf(begin, Math.min(begin.length, MAX_PROMPT - 1));
        return join(begin, fresh, Math.min(fresh.length, MAX_PROMPT - begin.length));
    }

    private static int[] join(int[] first, int[] second, int count) {
        var joined = Arrays.copyOf(first, first.length + count);
        System.arraycopy(second, 0, joined, first.length, count);
        return joined;
    }

    /// None is starved: those before it take a bounded number of steps each.
    private void checkWaits(String where) {
        for (var arrival : arrivals.subList(Math.max(0, arrivals.size() - 60), arrivals.size())) {
            if (arrival.refused || arrival.finishedTimes > 0 || started.contains(arrival)) {
                continue;
            }
            if (arrival.sequence.generated() > 0) {
                started.add(arrival);
            }
            int bound = (arrival.ahead + 1) * STEPS_PER_REQUEST;
            assertTrue(
                    steps - arrival.arrivedAtStep <= bound,
                    where + " request " + arrival.admission.id() + " waits for more than " + bound + " steps");
        }
    }

    private void closeOne(Random random) {
        if (arrivals.isEmpty()) {
            return;
        }
        var arrival = arrivals.get(arrivals.size() - 1 - random.nextInt(Math.min(30, arrivals.size())));
        if (!arrival.refused && arrival.generatedAtClose < 0) {
            arrival.generatedAtClose = arrival.sequence.generated();
            arrival.sequence.close();
        }
    }

    private static void check(Arrival arrival, String where) {
        if (arrival.refused) {
            assertEquals(0, arrival.finishedTimes, where);
            return;
        }
        assertEquals(1, arrival.finishedTimes, where);
        var admission = arrival.admission;
        var expected = FakeDecoder.expected(
                admission.prompt(), admission.sampling(), admission.tokenLimit(), admission.ignoreEos());
        var text = new StringBuilder();
        int tokens = 0;
        @Nullable Finished end = null;
        for (var event : arrival.sequence) {
            switch (event) {
                case Token token -> {
                    assertEquals(tokens++, token.index(), where);
                    text.append(token.text());
                }
                case Finished finished -> end = finished;
            }
        }
        Objects.requireNonNull(end, where);
        assertEquals(arrival.reason, end.reason(), where);
        assertEquals(tokens, end.completionTokens(), where);
        assertArrayEquals(
                LetterTokenizer.letters(expected, tokens).toCharArray(),
                text.toString().toCharArray(),
                where);
        switch (end.reason()) {
            case STOP -> {
                assertFalse(admission.ignoreEos(), where);
                assertEquals(expected.length, tokens, where);
            }
            case LENGTH -> assertEquals(admission.tokenLimit(), tokens, where);
            case CANCELLED -> assertEquals(arrival.generatedAtClose, tokens, where + " went on after it was closed");
            case TIMEOUT -> assertTrue(tokens <= expected.length, where);
            case ERROR -> assertTrue(tokens < admission.tokenLimit(), where);
        }
    }
}
