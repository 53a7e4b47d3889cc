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
import dev.llmworker.text.Detokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/// Which prompts move, by how much, and what of them is not computed again; over a fake decoder that takes its time on
/// an injected clock.
class SchedulerTest {
    private static final int CONTEXT = 1200;

    private final Random random = new Random(41);
    private final WaitingQueue waiting = new WaitingQueue(100);
    private long nowNanos;
    private int submitted;
    private FakeDecoder decoder = decoder(6, false);
    private Scheduler scheduler = scheduler();

    private FakeDecoder decoder(int slots, boolean deterministic) {
        var made = new FakeDecoder(slots, CONTEXT, deterministic);
        made.work = nanos -> nowNanos += nanos;
        return made;
    }

    private Scheduler scheduler() {
        return new Scheduler(decoder, _ -> false, waiting, () -> nowNanos, new EngineStats(), Runnable::run);
    }

    private Sequence submit(int[] prompt, int tokens) {
        return submit(prompt, tokens, "");
    }

    private Sequence submit(int[] prompt, int tokens, String salt) {
        return submit(prompt, tokens, salt, null);
    }

    private Sequence submit(int[] prompt, int tokens, String salt, @Nullable PrefixHold hold) {
        var admission = PlainAdmission.of(
                ++submitted,
                prompt,
                tokens,
                true,
                SamplingParameters.greedy(),
                Long.MAX_VALUE / 4,
                salt,
                Share.NONE,
                hold);
        var sequence =
                new Sequence(admission, new Detokenizer(new LetterTokenizer()), waiting, () -> nowNanos, (_, _) -> {});
        assertTrue(waiting.offer(sequence));
        return sequence;
    }

    private int[] ids(int count) {
        return random.ints(count, 3, FakeDecoder.VOCABULARY).toArray();
    }

    private static int[] join(int[] first, int[] second) {
        var joined = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, joined, first.length, second.length);
        return joined;
    }

    private void runToTheEnd() {
        while (scheduler.step()) {}
    }

    private static void assertText(int[] prompt, int tokens, Sequence sequence) {
        var text = new StringBuilder();
        for (var event : sequence) {
            if (event instanceof Token(int _, String piece, var _, var _)) {
                text.append(piece);
            }
        }
        var expected = FakeDecoder.expected(prompt, SamplingParameters.greedy(), tokens, true);
        assertEquals(LetterTokenizer.letters(expected, tokens), text.toString());
    }

    @Test
    void aLongPromptAddsAtMostHalfAStepToTheTimeBetweenTokens() {
        for (int i = 0; i < 5; i++) {
            submit(ids(20), 400);
        }
        for (int i = 0; i < 20; i++) {
            scheduler.step();
        }
        var prompt = submit(ids(512), 10);
        long stepNanos = FakeDecoder.CALL_NANOS + 5 * FakeDecoder.ROW_NANOS;
        int steps = 0;
        while (prompt.generated() == 0) {
            long before = nowNanos;
            scheduler.step();
            steps++;
            long extra = nowNanos - before - stepNanos - (prompt.generated() > 0 ? FakeDecoder.ROW_NANOS : 0);
            assertTrue(extra <= stepNanos / 2, "step " + steps + " took " + extra + " ns more than its decoding");
        }
        assertTrue(steps <= 512 / FakeDecoder.LEAST_PROMPT_TOKENS, steps + " steps");
    }

    /// With the times of the starter model on two cores.
    @Test
    void promptsThatArriveTogetherGetTheirFirstTokensEvenly() {
        decoder = decoder(32, false);
        decoder.sizes = new PromptSizes(4, 128, 128, Integer.MAX_VALUE);
        decoder.rowNanos = 1_400_000;
        decoder.promptTokenNanos = 1_200_000;
        scheduler = scheduler();
        List<Sequence> all = new ArrayList<>();
        for (int i = 0; i < 32; i++) {
            all.add(submit(ids(36), 40));
        }
        var firstTokens = firstTokens(all);
        long median = firstTokens.get(16), last = firstTokens.get(31);
        assertTrue(last < 2 * median, "the last first token after " + last + " ns, the median after " + median);
        // 32 prompts of 36 tokens take 1.4 s alone.
        assertTrue(median < 1_200_000_000 && last < 1_800_000_000, median + " and " + last + " ns");
    }

    @Test
    void promptsThatArriveTogetherDoNotHoldUpAStreamThatIsBeingRead() {
        var old = submit(ids(20), 400);
        while (old.generated() < 40) {
            scheduler.step();
        }
        List<Sequence> all = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            all.add(submit(ids(40), 20));
        }
        while (all.stream().anyMatch(sequence -> sequence.generated() == 0)) {
            int running = (int) all.stream()
                            .filter(sequence -> sequence.generated() > 0)
                            .count()
                    + 1;
            int before = old.generated();
            long begun = nowNanos;
            scheduler.step();
            assertEquals(before + 1, old.generated());
            long step = FakeDecoder.CALL_NANOS + (running + 1) * FakeDecoder.ROW_NANOS;
            // The least that a prompt gets is 16 tokens.
            long most = Math.max(step / 2, 16 * FakeDecoder.PROMPT_TOKEN_NANOS);
            assertTrue(nowNanos - begun <= step + most, nowNanos - begun + " ns with " + running);
        }
    }

    /// Also beside a stream that has just begun, and when little of a prompt is left.
    @Test
    void longPromptsThatArriveTogetherAreNoBurst() {
        for (int[] lengths : new int[][] {{150}, {300, 300, 300}, {900, 900}, {1000, 1000, 200}}) {
            var young = submit(ids(20), 400);
            while (young.generated() < 2) {
                scheduler.step();
            }
            List<Sequence> all = new ArrayList<>();
            for (int length : lengths) {
                all.add(submit(ids(length), 5));
            }
            long step = FakeDecoder.CALL_NANOS + FakeDecoder.ROW_NANOS;
            while (young.generated() < 16) {
                long begun = nowNanos;
                scheduler.step();
                long ended = all.stream()
                        .filter(sequence -> sequence.generated() > 0)
                        .count();
                long most = step / 2 + (ended + 1) * FakeDecoder.ROW_NANOS * 3 / 2;
                assertTrue(nowNanos - begun <= step + most, nowNanos - begun + " ns: " + Arrays.toString(lengths));
            }
            scheduler.endAll(FinishReason.CANCELLED);
            scheduler = scheduler();
        }
    }

    /// When each of these gets its first token, from the first to the last.
    private List<Long> firstTokens(List<Sequence> all) {
        List<Long> found = new ArrayList<>();
        long begun = nowNanos;
        while (found.size() < all.size()) {
            scheduler.step();
            long started =
                    all.stream().filter(sequence -> sequence.generated() > 0).count();
            while (found.size() < started) {
                found.add(nowNanos - begun);
            }
        }
        return found;
    }

    @Test
    void manyShortPromptsDoNotWaitForALongOne() {
        var running = submit(ids(20), 400);
        scheduler.step();
        var longPrompt = submit(ids(900), 10);
        scheduler.step();
        List<Sequence> shorts = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            shorts.add(submit(ids(40), 100));
        }
        while (longPrompt.generated() == 0) {
            scheduler.step();
        }
        for (var shortPrompt : shorts) {
            assertTrue(shortPrompt.generated() > 10, "a short prompt waited for the long one");
        }
        assertTrue(running.generated() > 30);
    }

    @Test
    void theNextTurnOfAConversationComputesOnlyWhatIsNewWhileOthersRun() {
        submit(ids(20), 300);
        var prompt = ids(200);
        submit(prompt, 30);
        for (int i = 0; i < 60; i++) {
            scheduler.step();
        }
        var answer = FakeDecoder.expected(prompt, SamplingParameters.greedy(), 30, true);
        var next = join(join(prompt, answer), ids(25));
        var turn = submit(next, 5);
        runToTheEnd();
        assertEquals(229, turn.reused(), "the last token of an answer is not cached");
        assertText(next, 5, turn);
    }

    @Test
    void cachedPrefixesAreReusedWithinASaltOnly() {
        var prompt = ids(200);
        submit(prompt, 300, "first");
        for (int i = 0; i < 5; i++) {
            scheduler.step();
        }
        assertEquals(0, runAlone(prompt, "second"), "the prompt of a running sequence");
        assertEquals(199, runAlone(prompt, "second"), "its own prompt of before, while another one runs");
        runToTheEnd();
        assertEquals(0, runAlone(prompt, "third"), "the prompts of ended sequences");
        assertEquals(0, runAlone(prompt, ""), "without a salt, too");
        assertEquals(PromptSizes.OF_CPU.alone(), runAlone(prompt, "first"), "while nothing runs");
    }

    /// How many positions of the prompt were reused.
    private int runAlone(int[] prompt, String salt) {
        var sequence = submit(prompt, 5, salt);
        while (sequence.generated() < 5) {
            scheduler.step();
        }
        scheduler.step();
        return sequence.reused();
    }

    @Test
    void aCommonBeginningIsTakenFromARunningSequence() {
        var system = ids(150);
        submit(join(system, ids(10)), 300);
        for (int i = 0; i < 5; i++) {
            scheduler.step();
        }
        int computed = decoder.promptTokens;
        var prompt = join(system, ids(12));
        var second = submit(prompt, 20);
        runToTheEnd();
        assertEquals(11, decoder.promptTokens - computed, "the last one is a decode step");
        assertText(prompt, 20, second);
    }

    /// So that the same request gives the same text on a quiet worker, whatever came before.
    @Test
    void whileNothingElseRunsOnlyWholeChunksOfTheGridAreReused() {
        var prompt = ids(300);
        submit(prompt, 50);
        runToTheEnd();
        var again = submit(prompt, 50);
        runToTheEnd();
        assertEquals(256, again.reused());
        assertText(prompt, 50, again);
    }

    @Test
    void whereCutsChangeNothingAllThatMatchesIsReused() {
        decoder.rowsAreIndependent = true;
        var prompt = ids(300);
        submit(prompt, 50);
        runToTheEnd();
        var again = submit(prompt, 50);
        runToTheEnd();
        assertEquals(299, again.reused());
        assertText(prompt, 50, again);
    }

    @Test
    void aDeterministicDecoderGetsTheSameChunksWhateverRuns() {
        decoder = decoder(6, true);
        scheduler = scheduler();
        submit(ids(20), 300);
        scheduler.step();
        var prompt = ids(300);
        submit(prompt, 50);
        var shorter = submit(Arrays.copyOf(prompt, 200), 20);
        for (int i = 0; i < 100; i++) {
            scheduler.step();
        }
        var again = submit(prompt, 20);
        int computed = decoder.promptTokens;
        runToTheEnd();
        assertEquals(300 - 256, decoder.promptTokens - computed);
        assertEquals(256, again.reused());
        assertTrue(shorter.reused() % PromptSizes.OF_CPU.alone() == 0);
    }

    @Test
    void whatWasUsedLeastRecentlyIsGivenUpFirst() {
        decoder = decoder(3, false);
        scheduler = scheduler();
        var prompts = new int[][] {ids(140), ids(140), ids(140), ids(140)};
        for (int i : new int[] {0, 1, 2, 0, 3}) {
            submit(prompts[i], 5);
            runToTheEnd();
        }
        var reused = new int[3];
        for (int i : new int[] {0, 2, 1}) {
            var again = submit(prompts[i], 5);
            runToTheEnd();
            reused[i] = again.reused();
            assertText(prompts[i], 5, again);
        }
        assertArrayEquals(new int[] {128, 0, 128}, reused);
    }

    /// How many positions of a prompt are reused, while nothing else runs.
    private int reusedOf(int[] prompt, @Nullable PrefixHold hold) {
        var sequence = submit(prompt, 5, "", hold);
        runToTheEnd();
        assertText(prompt, 5, sequence);
        return sequence.reused();
    }

    private void runOthers(int count) {
        for (int i = 0; i < count; i++) {
            reusedOf(ids(140), null);
        }
    }

    @Test
    void theNewestPrefixOfAConversationIsHeldUntilItEnds() {
        decoder = decoder(4, false);
        scheduler = scheduler();
        var hold = new PrefixHold();
        int[] older = ids(140), newest = ids(140);
        reusedOf(older, hold);
        reusedOf(newest, hold);
        runOthers(6);
        assertEquals(128, reusedOf(newest, hold));
        assertEquals(0, reusedOf(older, null));
        hold.release();
        runOthers(4);
        assertEquals(0, reusedOf(newest, null));
    }

    @Test
    void atMostHalfOfTheSlotsAreHeld() {
        decoder = decoder(4, false);
        scheduler = scheduler();
        var prompts = new int[][] {ids(140), ids(140), ids(140)};
        for (var prompt : prompts) {
            reusedOf(prompt, new PrefixHold());
        }
        runOthers(6);
        assertEquals(128, reusedOf(prompts[1], null));
        assertEquals(128, reusedOf(prompts[2], null));
        assertEquals(0, reusedOf(prompts[0], null));
    }

    @Test
    void aPrefixThatIsNeededDoesNotGoBeforeOneThatIsHeld() {
        decoder = decoder(4, false);
        scheduler = scheduler();
        reusedOf(ids(140), new PrefixHold());
        reusedOf(ids(140), new PrefixHold());
        var begin = ids(140);
        reusedOf(begin, null);
        submit(ids(20), 60);
        scheduler.step();
        var other = join(Arrays.copyOf(begin, 100), ids(20));
        var sequence = submit(other, 5);
        runToTheEnd();
        assertEquals(100, sequence.reused());
        assertText(other, 5, sequence);
    }

    @Test
    void ifAllOtherSlotsAreHeldAPromptTakesOverThePrefixThatItSharesInPart() {
        for (int slots : new int[] {2, 4}) {
            decoder = decoder(slots, false);
            scheduler = scheduler();
            int[] begin = ids(300);
            reusedOf(begin, null);
            var held = new ArrayList<int[]>();
            for (int i = 0; i < slots / 2; i++) {
                held.add(ids(140));
                reusedOf(held.getLast(), new PrefixHold());
            }
            for (int i = 1; i < slots / 2; i++) {
                submit(ids(140), 500);
                scheduler.step();
            }
            var other = join(Arrays.copyOf(begin, 200), ids(140));
            var sequence = submit(other, 5);
            runToTheEnd();
            assertEquals(slots == 2 ? 128 : 200, sequence.reused());
            assertText(other, 5, sequence);
            for (var prompt : held) {
                assertEquals(128, reusedOf(prompt, null), "of a held prefix among " + slots + " slots");
            }
        }
    }

    @Test
    void aHeldPrefixOutlivesAShorterPromptAndOneThatGoesOnFromIt() {
        decoder = decoder(4, false);
        scheduler = scheduler();
        int[] whole = ids(300);
        reusedOf(whole, new PrefixHold());
        assertEquals(128, reusedOf(Arrays.copyOf(whole, 140), null));
        runOthers(6);
        assertEquals(256, reusedOf(whole, null));
        runOthers(6);
        int[] more = Arrays.copyOf(whole, 340);
        Arrays.fill(more, 300, 340, 5);
        assertEquals(256, reusedOf(more, null));
        runOthers(6);
        assertEquals(256, reusedOf(whole, null));
    }

    @Test
    void aClientWithManyHeldPrefixesTakesNoHoldFromOthers() {
        decoder = decoder(8, false);
        scheduler = scheduler();
        int[] own = ids(140);
        submit(own, 5, "own", new PrefixHold());
        runToTheEnd();
        var others = new ArrayList<int[]>();
        for (int i = 0; i < 6; i++) {
            others.add(ids(140));
            submit(others.getLast(), 5, "other", new PrefixHold());
            runToTheEnd();
        }
        runOthers(12);
        assertEquals(128, reused(own, "own"));
        assertEquals(128, reused(others.getLast(), "other"));
        assertEquals(0, reused(others.getFirst(), "other"));
    }

    private int reused(int[] prompt, String salt) {
        var sequence = submit(prompt, 5, salt, null);
        runToTheEnd();
        return sequence.reused();
    }

    /// A decoder that goes on only from the end of a slot and from what it kept.
    private void useRecurrent(boolean independent) {
        decoder = new FakeDecoder(4, 1000, false, true);
        decoder.rowsAreIndependent = independent;
        scheduler = new Scheduler(
                decoder, id -> id == FakeDecoder.END, waiting, () -> nowNanos, new EngineStats(), Runnable::run);
    }

    /// Turns of a conversation, each of which ends with the token that ends answers.
    private int[] turns(int... lengths) {
        var all = new int[0];
        for (int length : lengths) {
            all = join(all, join(ids(length), new int[] {FakeDecoder.END}));
        }
        return all;
    }

    private int reusedAlone(int[] prompt, int tokens) {
        var sequence = submit(prompt, tokens);
        runToTheEnd();
        assertText(prompt, tokens, sequence);
        return sequence.reused();
    }

    @Test
    void aRecurrentConversationGoesOnFromTheEndOfTheLastTurnIfItsAnswerIsNotRepeated() {
        useRecurrent(true);
        var turns = turns(40, 50);
        assertEquals(0, reusedAlone(join(turns, ids(3)), 30));
        assertEquals(92, reusedAlone(join(turns, ids(20)), 30));
    }

    @Test
    void aRecurrentConversationGoesOnFromItsEndIfItsAnswerIsRepeated() {
        useRecurrent(true);
        var prompt = join(turns(40, 50), ids(3));
        reusedAlone(prompt, 30);
        var answer = FakeDecoder.expected(prompt, SamplingParameters.greedy(), 30, true);
        assertEquals(95 + 29, reusedAlone(join(join(prompt, answer), ids(20)), 30));
    }

    @Test
    void recurrentConversationsShareTheFirstTurn() {
        useRecurrent(true);
        var system = turns(40);
        reusedAlone(join(system, turns(50)), 30);
        assertEquals(41, reusedAlone(join(system, turns(60, 70)), 30));
        assertEquals(41, reusedAlone(join(system, turns(30)), 30));
    }

    @Test
    void whatTwoRecurrentPromptsShareIsKeptForTheThird() {
        useRecurrent(true);
        var shared = ids(77);
        assertEquals(0, reusedAlone(join(shared, ids(90)), 30));
        assertEquals(0, reusedAlone(join(shared, ids(80)), 30));
        assertEquals(77, reusedAlone(join(shared, ids(70)), 30));
    }

    @Test
    void aRecurrentPromptThatComesAgainComputesItsLastTokenOnly() {
        useRecurrent(true);
        var prompt = ids(90);
        assertEquals(0, reusedAlone(prompt, 30));
        assertEquals(89, reusedAlone(prompt, 30));
    }

    /// If cuts change numbers, only what the grid cuts anyway is kept.
    @Test
    void dependentRowsAreKeptOnTheGrid() {
        useRecurrent(false);
        var turns = turns(100, 60);
        reusedAlone(join(turns, ids(3)), 30);
        assertEquals(128, reusedAlone(join(turns, ids(20)), 30));
    }

    @Test
    void aRecurrentPromptIsReusedBesideOthers() {
        useRecurrent(true);
        var turns = turns(40, 50);
        submit(ids(20), 600);
        for (int i = 0; i < 3; i++) {
            scheduler.step();
        }
        assertEquals(0, runAlone(join(turns, ids(3)), ""));
        assertEquals(92, runAlone(join(turns, ids(9)), ""));
    }

    /// Runs until all have ended, and gives what the sequence ended with.
    private Finished end(Sequence sequence) {
        runToTheEnd();
        @Nullable Finished end = null;
        for (var event : sequence) {
            end = event instanceof Finished finished ? finished : end;
        }
        return Objects.requireNonNull(end);
    }

    private void failNext(int calls) {
        var left = new AtomicInteger(calls);
        decoder.fails = () -> left.getAndDecrement() > 0;
    }

    @Test
    void ifMemoryRunsOutInAStepTheNewestEndsAndTheOthersGoOn() {
        var prompts = new int[][] {ids(20), ids(30), ids(40)};
        var sequences = new Sequence[3];
        for (int i = 0; i < 3; i++) {
            sequences[i] = submit(prompts[i], 60);
            scheduler.step();
        }
        while (sequences[2].generated() < 5) {
            scheduler.step();
        }
        failNext(2);
        scheduler.step();
        assertEquals(2, scheduler.running());
        scheduler.step();
        assertEquals(1, scheduler.running());
        assertEquals(2, decoder.recoveries);
        var failed = end(sequences[2]);
        assertEquals(FinishReason.ERROR, failed.reason());
        assertFalse(failed.isFault(), "a client can try again");
        assertEquals(FinishReason.ERROR, end(sequences[1]).reason());
        assertText(prompts[0], 60, sequences[0]);
        // What they had cached is still right.
        var again = submit(prompts[2], 60);
        runToTheEnd();
        assertText(prompts[2], 60, again);
    }

    @Test
    void aPromptBesideAStepIsTheNewest() {
        var first = ids(20);
        var running = submit(first, 100);
        for (int i = 0; i < 5; i++) {
            scheduler.step();
        }
        var prompt = submit(ids(600), 5);
        scheduler.step();
        failNext(1);
        scheduler.step();
        assertEquals(1, scheduler.running());
        assertEquals(FinishReason.ERROR, end(prompt).reason());
        assertText(first, 100, running);
    }

    @Test
    void aPromptThatRunsAloneEndsAndTheNextOneIsServed() {
        failNext(1);
        var tooLong = submit(ids(600), 5);
        assertEquals(FinishReason.ERROR, end(tooLong).reason());
        var next = ids(300);
        var served = submit(next, 5);
        runToTheEnd();
        assertText(next, 5, served);
    }

    /// A step changes recurrent states layer by layer; what failed half way cannot be repeated.
    @Test
    void aStepThatCannotBeRepeatedEndsAllOfItsSequences() {
        useRecurrent(true);
        var prompts = new int[][] {ids(20), ids(30)};
        var sequences = new Sequence[] {submit(prompts[0], 60), submit(prompts[1], 60)};
        while (sequences[1].generated() < 5) {
            scheduler.step();
        }
        failNext(1);
        scheduler.step();
        assertEquals(0, scheduler.running());
        for (int i = 0; i < 2; i++) {
            assertEquals(FinishReason.ERROR, end(sequences[i]).reason());
            var again = submit(prompts[i], 60);
            runToTheEnd();
            assertEquals(0, again.reused());
            assertText(prompts[i], 60, again);
        }
    }

    /// NaN would stay in the cache, and spoil who comes after.
    @Test
    void aSequenceWhoseNumbersAreNotFiniteEndsAndLeavesNothing() {
        decoder.poison = 13;
        var clean = new Random(2).ints(40, 20, FakeDecoder.VOCABULARY).toArray();
        var poisoned = clean.clone();
        poisoned[30] = 13;
        var healthy = submit(clean, 50);
        scheduler.step();
        var sick = submit(poisoned, 50);
        var end = end(sick);
        assertEquals(FinishReason.ERROR, end.reason());
        assertEquals(0, end.completionTokens());
        assertText(clean, 50, healthy);
        // Alone too; and nothing of it is reused.
        var again = submit(poisoned, 50);
        assertEquals(FinishReason.ERROR, end(again).reason());
        assertTrue(again.reused() <= 30, "reused " + again.reused());
        assertEquals(0, scheduler.running());
    }

    /// A prompt that ends before its first token leaves its numbers in the slot. They spoil one short request there.
    @Test
    void oneFailureHealsASlotThatIsNotFiniteBehindTheSequence() {
        decoder = decoder(1, false);
        scheduler = scheduler();
        decoder.poison = 13;
        var poisoned = ids(300);
        poisoned[50] = 13;
        var left = submit(poisoned, 50);
        scheduler.step();
        left.close();
        scheduler.step();
        assertEquals(0, scheduler.running());
        var prompt = new Random(3).ints(20, 20, FakeDecoder.VOCABULARY).toArray();
        var reasons = new ArrayList<FinishReason>();
        for (int i = 0; i < 12; i++) {
            var next = submit(prompt, 5);
            reasons.add(end(next).reason());
        }
        assertEquals(1, Collections.frequency(reasons, FinishReason.ERROR), reasons.toString());
    }

    /// Sizes of a GPU, an eighth of them.
    private void useLargePieces() {
        decoder.sizes = new PromptSizes(16, 64, 256, 2);
        scheduler = scheduler();
    }

    @Test
    void aPromptAloneIsCutWhereEachOneIs() {
        useLargePieces();
        var prompt = ids(900);
        var first = submit(prompt, 5);
        runToTheEnd();
        assertText(prompt, 5, first);
        // 64, 128, 256, 512, 768 and the end.
        assertEquals(6 + 4, decoder.calls);
        for (int[] shared : new int[][] {{100, 64}, {255, 128}, {700, 512}, {800, 768}}) {
            var next = join(Arrays.copyOf(prompt, shared[0]), ids(20));
            var again = submit(next, 5);
            runToTheEnd();
            assertEquals(shared[1], again.reused());
            assertText(next, 5, again);
        }
    }

    /// The fake decoder refuses more.
    @Test
    void aStepTakesPartsOfFewPrompts() {
        useLargePieces();
        submit(ids(20), 400);
        scheduler.step();
        List<Sequence> prompts = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            prompts.add(submit(ids(30), 5));
        }
        int steps = 0;
        while (prompts.getLast().generated() == 0) {
            scheduler.step();
            steps++;
        }
        assertTrue(steps >= 3, steps + " steps for five prompts, two at a time");
        runToTheEnd();
    }
}
