package dev.llmworker.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.engine.stored.PrefixFolder;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent.Finished;
import dev.llmworker.generation.GenerationEvent.Token;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.stats.EngineStats;
import dev.llmworker.stats.PrefixFigures;
import dev.llmworker.text.Detokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Prefixes that lost their slots and come back; over a fake decoder whose copies take their time on an injected clock.
class EvictedPrefixesTest {
    private static final int CONTEXT = 1200;
    private static final int SLOTS = 3;
    private static final int ANSWER = 5;
    private static final long AMPLE = 4L << 30;
    /// Of a piece, 64 positions.
    private static final long PIECE = 64 * FakeCopies.POSITION_BYTES;

    private final Random random = new Random(43);
    private final WaitingQueue waiting = new WaitingQueue(100);
    private final EngineStats stats = new EngineStats();
    private long nowNanos;
    private int submitted;

    @TempDir
    private Path directory;

    private @Nullable PrefixFolder folder;
    private FakeDecoder decoder = decoder(false, false);
    private Scheduler scheduler = scheduler(AMPLE);

    private FakeDecoder decoder(boolean deterministic, boolean recurrent) {
        var made = new FakeDecoder(SLOTS, CONTEXT, deterministic, recurrent);
        made.work = nanos -> nowNanos += nanos;
        // All that matches is reused.
        made.rowsAreIndependent = !deterministic;
        return made;
    }

    private Scheduler scheduler(long bytes) {
        decoder.copyUpTo(bytes);
        return scheduler();
    }

    private Scheduler scheduler() {
        return new Scheduler(
                decoder, id -> id == FakeDecoder.END, waiting, () -> nowNanos, stats, Runnable::run, true, folder);
    }

    /// The process ends and another one begins.
    private void restart(long bytes) throws IOException {
        scheduler.endAll(FinishReason.CANCELLED, () -> false);
        assertEquals(0, PrefixFigures.bytes(stats));
        boolean isRecurrent = decoder.needsKept(), isDeterministic = decoder.deterministic();
        decoder = decoder(isDeterministic, isRecurrent);
        folder = open("model");
        scheduler = scheduler(bytes);
    }

    private PrefixFolder open(String model) throws IOException {
        PrefixFolder.prepare(directory);
        return PrefixFolder.open(directory, model.getBytes(StandardCharsets.UTF_8), "KEY");
    }

    /// With a folder for prefixes.
    private void store(boolean deterministic, boolean recurrent) throws IOException {
        folder = open("model");
        decoder = decoder(deterministic, recurrent);
        scheduler = scheduler(AMPLE);
    }

    private List<Path> files() throws IOException {
        try (var files = Files.list(directory)) {
            return files.filter(file -> file.toString().endsWith(".kv")).toList();
        }
    }

    @AfterEach
    void allMemoryIsFreed() {
        scheduler.endAll(FinishReason.CANCELLED);
        assertEquals(0, PrefixFigures.bytes(stats));
    }

    private Sequence submit(int[] prompt, int tokens, String salt) {
        var admission = PlainAdmission.of(
                ++submitted, prompt, tokens, true, SamplingParameters.greedy(), Long.MAX_VALUE / 4, salt);
        var sequence =
                new Sequence(admission, new Detokenizer(new LetterTokenizer()), waiting, () -> nowNanos, (_, _) -> {});
        assertTrue(waiting.offer(sequence));
        return sequence;
    }

    private int[] ids(int count) {
        return random.ints(count, 3, FakeDecoder.VOCABULARY).toArray();
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

    /// How many positions of a prompt are reused, while nothing else runs.
    private int reusedOf(int[] prompt, String salt) {
        var sequence = submit(prompt, ANSWER, salt);
        runToTheEnd();
        assertText(prompt, ANSWER, sequence);
        return sequence.reused();
    }

    private int reusedOf(int[] prompt) {
        return reusedOf(prompt, "");
    }

    private void runOthers(int count) {
        runOthers(count, 64);
    }

    private void runOthers(int count, int tokens) {
        for (int i = 0; i < count; i++) {
            reusedOf(ids(tokens));
        }
    }

    @Test
    void aConversationComesBackAfterFiftyOthers() {
        var prompt = ids(600);
        reusedOf(prompt);
        runOthers(50);
        int prefilled = decoder.promptTokens;
        assertEquals(599, reusedOf(prompt));
        assertEquals(1, decoder.promptTokens - prefilled);
        assertEquals(1, PrefixFigures.restored(stats));
    }

    @Test
    void withoutMemoryForCopiesNothingComesBack() {
        decoder = decoder(false, false);
        scheduler = scheduler(0);
        var prompt = ids(600);
        reusedOf(prompt);
        runOthers(SLOTS);
        assertEquals(0, reusedOf(prompt));
        assertEquals(0, decoder.pieces);
    }

    @Test
    void aDeterministicDecoderGetsBackWhatItsOwnChunksWouldGive() {
        decoder = decoder(true, false);
        scheduler = scheduler(AMPLE);
        var prompt = ids(600);
        reusedOf(prompt);
        // Of shorter ones no chunk is whole, so that they need no slot afterwards.
        runOthers(10, 200);
        assertEquals(decoder.sizes.cutBefore(599), reusedOf(prompt));
        assertEquals(1, PrefixFigures.restored(stats));
    }

    @Test
    void aStateComesBackAsAWhole() {
        decoder = decoder(false, true);
        scheduler = scheduler(AMPLE);
        var prompt = ids(600);
        prompt[99] = FakeDecoder.END;
        prompt[399] = FakeDecoder.END;
        reusedOf(prompt);
        runOthers(10);
        var turn = Arrays.copyOf(prompt, 700);
        Arrays.fill(turn, 400, 700, 9);
        assertEquals(400, reusedOf(turn), "the end of the last turn");
        runOthers(10);
        var other = Arrays.copyOf(prompt, 300);
        Arrays.fill(other, 100, 300, 8);
        assertEquals(100, reusedOf(other), "the end of the first turn");
        runOthers(10);
        var answer = FakeDecoder.expected(prompt, SamplingParameters.greedy(), ANSWER, true);
        var next = Arrays.copyOf(prompt, 640);
        System.arraycopy(answer, 0, next, 600, ANSWER);
        assertTrue(reusedOf(next) >= 400);
    }

    @Test
    void whatASlotHoldsIsToppedUp() {
        var system = ids(100);
        var prompt = Arrays.copyOf(system, 600);
        Arrays.setAll(prompt, i -> i < 100 ? system[i] : 3 + i);
        reusedOf(prompt);
        runOthers(10);
        var other = Arrays.copyOf(system, 120);
        reusedOf(other);
        int pieces = decoder.pieces;
        assertEquals(599, reusedOf(prompt));
        // The first piece is in a slot; what follows is copied out again when nothing runs.
        assertTrue(decoder.pieces - pieces >= 9, decoder.pieces - pieces + " pieces");
    }

    @Test
    void copiesAreDroppedInTheOrderOfTheirUse() {
        int[] reused = new int[5];
        for (int asked = 0; asked < reused.length; asked++) {
            decoder = decoder(false, false);
            // Room for four: the one that is evicted next, and three that were.
            scheduler = scheduler(4 * (3 * PIECE + 8 * FakeCopies.POSITION_BYTES) + PIECE / 2);
            var prompts = IntStream.range(0, 8).mapToObj(_ -> ids(192)).toList();
            for (int i : new int[] {0, 1, 2, 3, 4, 0, 5, 6, 7}) {
                reusedOf(prompts.get(i));
            }
            reused[asked] = reusedOf(prompts.get(asked));
            scheduler.endAll(FinishReason.CANCELLED);
        }
        assertArrayEquals(new int[] {191, 0, 0, 191, 191}, reused);
        assertTrue(PrefixFigures.dropped(stats) > 0);
    }

    @Test
    void copiesStayWithinTheirMemory() {
        decoder = decoder(false, false);
        scheduler = scheduler(5 * PIECE);
        for (int i = 0; i < 30; i++) {
            reusedOf(ids(20 + random.nextInt(700)));
            assertTrue(PrefixFigures.bytes(stats) <= 5 * PIECE);
        }
        assertTrue(PrefixFigures.bytes(stats) > 2 * PIECE);
        assertTrue(PrefixFigures.dropped(stats) > 0);
    }

    @Test
    void memoryThatCannotBeHadIsNoError() {
        decoder = decoder(false, false);
        decoder.copyUpTo(Long.MAX_VALUE / 4, 1L << 50);
        scheduler = scheduler();
        var prompt = ids(300);
        reusedOf(prompt);
        runOthers(10);
        assertEquals(0, reusedOf(prompt));
        assertEquals(0, decoder.pieces);
    }

    @Test
    void keysGetTheirOwnPrefixesAlone() {
        var prompt = ids(300);
        reusedOf(prompt, "first");
        runOthers(10);
        assertEquals(0, reusedOf(prompt, "second"));
        runOthers(10);
        assertEquals(0, reusedOf(prompt, ""));
        runOthers(10);
        assertEquals(299, reusedOf(prompt, "first"));
        assertEquals(299, reusedOf(prompt, "second"));
    }

    @Test
    void aRequestIsCancelledWhileItsPrefixIsCopied() {
        var prompt = ids(1000);
        reusedOf(prompt);
        runOthers(10);
        var running = submit(ids(20), 300, "");
        step(10);
        var cancelled = submit(prompt, ANSWER, "");
        step(4);
        assertTrue(cancelled.prefilled() > 0 && cancelled.prefilled() < 999, cancelled.prefilled() + " tokens");
        cancelled.close();
        var again = submit(prompt, ANSWER, "");
        var other = submit(ids(30), ANSWER, "");
        runToTheEnd();
        assertText(prompt, ANSWER, again);
        assertEquals(999, again.reused());
        assertEquals(FinishReason.LENGTH, lastOf(running));
        assertEquals(FinishReason.LENGTH, lastOf(other));
        assertEquals(FinishReason.CANCELLED, lastOf(cancelled));
    }

    private static FinishReason lastOf(Sequence sequence) {
        for (var event : sequence) {
            if (event instanceof Finished finished) {
                return finished.reason();
            }
        }
        throw new AssertionError("it did not end");
    }

    private void step(int count) {
        for (int i = 0; i < count; i++) {
            scheduler.step();
        }
    }

    @Test
    void copiesAddAtMostHalfAStepToTheTimeBetweenTokens() {
        var prompt = ids(1000);
        reusedOf(prompt);
        runOthers(10);
        submit(ids(20), 300, "");
        step(10);
        var back = submit(prompt, 50, "");
        long step = FakeDecoder.CALL_NANOS + FakeDecoder.ROW_NANOS;
        int steps = 0;
        while (back.generated() == 0) {
            long before = nowNanos;
            scheduler.step();
            steps++;
            long extra = nowNanos - before - step - (back.generated() > 0 ? FakeDecoder.ROW_NANOS : 0);
            // And one piece out of a slot.
            assertTrue(extra <= step / 2 + 2 * decoder.pieceNanos, "step " + steps + " took " + extra + " ns more");
        }
        assertTrue(steps < 12, steps + " steps");
        assertEquals(999, back.reused());
    }

    /// All at once, so that nothing is copied before. Whose copy would take long keeps its slot.
    @Test
    void anEvictionBesideRunningSequencesCopiesLittle() {
        decoder = new FakeDecoder(4, CONTEXT);
        decoder.rowsAreIndependent = true;
        decoder.work = nanos -> nowNanos += nanos;
        scheduler = scheduler(AMPLE);
        var large = ids(1000);
        submit(large, ANSWER, "");
        submit(ids(70), ANSWER, "");
        submit(ids(80), ANSWER, "");
        submit(ids(20), 1000, "");
        while (scheduler.running() != 1) {
            scheduler.step();
        }
        for (int i = 0; i < 20; i++) {
            var next = submit(ids(90), ANSWER, "");
            while (next.generated() < ANSWER) {
                int pieces = decoder.pieces;
                scheduler.step();
                assertTrue(decoder.pieces - pieces <= 5, decoder.pieces - pieces + " pieces in a step");
            }
        }
        var back = submit(large, ANSWER, "");
        while (back.generated() == 0) {
            scheduler.step();
        }
        assertEquals(999, back.reused());
    }

    @Test
    void aTurnCopiesOnlyWhatIsNew() {
        var prompt = ids(320);
        for (int turn = 0; turn < 4; turn++) {
            reusedOf(prompt);
            runOthers(SLOTS);
            var answer = FakeDecoder.expected(prompt, SamplingParameters.greedy(), ANSWER, true);
            int length = prompt.length + ANSWER;
            prompt = Arrays.copyOf(prompt, length + 60);
            System.arraycopy(answer, 0, prompt, length - ANSWER, ANSWER);
            Arrays.fill(prompt, length, prompt.length, 7);
        }
        // Six of the first turn, two of each later one: what is new, and the piece in which it begins.
        int others = 4 * SLOTS * 2;
        assertEquals(6 + 3 * 2 + others, decoder.piecesRead);
    }

    @Test
    void whatIsPrefilledFasterIsNotCopied() {
        decoder.pieceNanos = 64 * FakeDecoder.PROMPT_TOKEN_NANOS * 3;
        var prompt = ids(600);
        reusedOf(prompt);
        runOthers(10);
        assertEquals(0, reusedOf(prompt));
        assertTrue(decoder.pieces <= 1, decoder.pieces + " pieces");
    }

    @Test
    void aPrefixWhoseOnlySlotIsTakenOverComesBack() {
        decoder = new FakeDecoder(1, CONTEXT);
        decoder.rowsAreIndependent = true;
        decoder.work = nanos -> nowNanos += nanos;
        scheduler = scheduler(AMPLE);
        var first = ids(600);
        var second = ids(100);
        System.arraycopy(first, 0, second, 0, 20);
        // The second waits when the first ends, so that there is no time to copy the first before.
        submit(first, ANSWER, "");
        var other = submit(second, ANSWER, "");
        runToTheEnd();
        assertText(second, ANSWER, other);
        assertEquals(20, other.reused());
        assertEquals(599, reusedOf(first));
    }

    @Test
    void theEndOfAConversationIsNotLostToItsBeginning() {
        var prompt = ids(600);
        reusedOf(prompt);
        assertEquals(200, reusedOf(Arrays.copyOf(prompt, 201)));
        assertEquals(599, reusedOf(prompt));
    }

    @Test
    void prefixesSurviveARestart() throws Exception {
        store(false, false);
        var evictedBefore = ids(600);
        reusedOf(evictedBefore, "key");
        runOthers(10);
        var inSlot = ids(300);
        reusedOf(inSlot, "key");
        restart(AMPLE);
        assertTrue(PrefixFigures.bytes(stats) > 900 * FakeCopies.POSITION_BYTES);
        assertEquals(0, reusedOf(evictedBefore, "another key"));
        assertEquals(0, reusedOf(evictedBefore, ""));
        assertEquals(599, reusedOf(evictedBefore, "key"));
        assertEquals(299, reusedOf(inSlot, "key"));
        // What it got back and went on with is written again.
        var turn = Arrays.copyOf(inSlot, 500);
        Arrays.fill(turn, 300, 500, 7);
        reusedOf(turn, "key");
        restart(AMPLE);
        assertEquals(499, reusedOf(turn, "key"));
        assertEquals(599, reusedOf(evictedBefore, "key"));
    }

    @Test
    void statesSurviveARestart() throws Exception {
        store(false, true);
        var prompt = ids(600);
        prompt[399] = FakeDecoder.END;
        reusedOf(prompt);
        restart(AMPLE);
        var turn = Arrays.copyOf(prompt, 700);
        Arrays.fill(turn, 400, 700, 9);
        assertEquals(400, reusedOf(turn));
    }

    @Test
    void aDeterministicDecoderGetsTheSameAfterARestart() throws Exception {
        store(true, false);
        var prompt = ids(600);
        reusedOf(prompt);
        restart(AMPLE);
        assertEquals(decoder.sizes.cutBefore(599), reusedOf(prompt));
    }

    @Test
    void anotherModelFindsNothing() throws Exception {
        store(false, false);
        var prompt = ids(600);
        reusedOf(prompt);
        scheduler.endAll(FinishReason.CANCELLED, () -> false);
        assertFalse(files().isEmpty());
        decoder = decoder(false, false);
        folder = open("another model");
        scheduler = scheduler(AMPLE);
        assertEquals(0, reusedOf(prompt));
    }

    @Test
    void aDamagedFileIsPrefilledAgain() throws Exception {
        store(false, false);
        var prompt = ids(600);
        reusedOf(prompt);
        restart(AMPLE);
        for (var file : files()) {
            var bytes = Files.readAllBytes(file);
            bytes[bytes.length - 1] ^= 1;
            Files.write(file, bytes);
        }
        // The last piece is damaged.
        assertEquals(576, reusedOf(prompt));
        assertTrue(files().isEmpty());
        restart(AMPLE);
        assertEquals(599, reusedOf(prompt));
    }

    /// The one whose file has vanished is written first: it was used last.
    @Test
    void aFileThatAnotherWorkerDeletedStopsNoOther() throws Exception {
        store(false, false);
        var prompt = ids(600);
        reusedOf(prompt);
        restart(AMPLE);
        var other = ids(300);
        reusedOf(other);
        // It goes on after the answer, so that its copy is partly in the file.
        var answer = FakeDecoder.expected(prompt, SamplingParameters.greedy(), ANSWER, true);
        var turn = Arrays.copyOf(prompt, 700);
        Arrays.fill(turn, 600, 700, 9);
        System.arraycopy(answer, 0, turn, 600, ANSWER);
        assertTrue(reusedOf(turn) > 600);
        for (var file : files()) {
            Files.delete(file);
        }
        restart(AMPLE);
        assertEquals(299, reusedOf(other));
        assertEquals(0, reusedOf(turn));
    }

    @Test
    void aFileThatCannotBeReadNowStays() throws Exception {
        store(false, false);
        var prompt = ids(600);
        reusedOf(prompt);
        restart(AMPLE);
        var file = files().getFirst();
        var aside = directory.resolve("aside");
        Files.move(file, aside);
        // A link is not followed, so it cannot be read.
        Files.createSymbolicLink(file, aside);
        assertEquals(0, reusedOf(prompt));
        assertTrue(Files.isSymbolicLink(file), "it was deleted");
    }

    @Test
    void filesThatHaveNoRoomAtTheStartStay() throws Exception {
        store(false, false);
        for (int i = 0; i < 4; i++) {
            reusedOf(ids(192));
        }
        restart(AMPLE);
        assertEquals(4, files().size());
        decoder = decoder(false, false);
        scheduler = scheduler(2 * (3 * PIECE + 8 * FakeCopies.POSITION_BYTES + 800));
        assertEquals(4, files().size());
        assertTrue(PrefixFigures.bytes(stats) < 7 * PIECE);
    }

    @Test
    void withoutTimeNothingIsWritten() throws Exception {
        store(false, false);
        reusedOf(ids(600));
        scheduler.endAll(FinishReason.CANCELLED, () -> true);
        assertTrue(files().isEmpty());
        store(false, false);
        reusedOf(ids(600));
        scheduler.endAll(FinishReason.CANCELLED);
        assertTrue(files().isEmpty());
    }

    /// As if a second signal came.
    @Test
    void writingStopsBetweenPieces() throws Exception {
        store(false, false);
        reusedOf(ids(600));
        int pieces = decoder.piecesRead;
        var asked = new int[1];
        scheduler.endAll(FinishReason.CANCELLED, () -> ++asked[0] > 5);
        assertTrue(files().isEmpty());
        assertTrue(decoder.piecesRead - pieces <= 5, decoder.piecesRead - pieces + " pieces");
    }

    /// A copy in memory takes the room of one in a file, but there is no time to write it.
    @Test
    void whatIsDroppedAtTheEndKeepsItsFile() throws Exception {
        store(false, false);
        var prompt = ids(600);
        reusedOf(prompt);
        restart(AMPLE);
        var file = files().getFirst();
        decoder = decoder(false, false);
        scheduler = scheduler(11 * PIECE);
        assertTrue(PrefixFigures.bytes(stats) > 0);
        // Nobody has used it for long.
        nowNanos += Duration.ofHours(1).toNanos();
        reusedOf(ids(600));
        scheduler.endAll(FinishReason.CANCELLED, () -> PrefixFigures.dropped(stats) > 0);
        assertEquals(1, PrefixFigures.dropped(stats));
        assertEquals(List.of(file), files());
        // With time, the new one takes its place.
        decoder = decoder(false, false);
        folder = open("model");
        scheduler = scheduler(11 * PIECE);
        nowNanos += Duration.ofHours(1).toNanos();
        var newest = ids(600);
        reusedOf(newest);
        restart(11 * PIECE);
        assertFalse(Files.exists(file));
        assertEquals(599, reusedOf(newest));
    }

    /// A slow disk says nothing of copies in memory.
    @Test
    void whatFilesTakeIsMeasuredApart() throws Exception {
        store(false, false);
        var prompt = ids(1000);
        reusedOf(prompt);
        restart(AMPLE);
        long pieceNanos = decoder.pieceNanos;
        decoder.pieceNanos = 64 * FakeDecoder.PROMPT_TOKEN_NANOS * 3;
        reusedOf(prompt);
        decoder.pieceNanos = pieceNanos;
        var other = ids(600);
        reusedOf(other);
        runOthers(10);
        assertEquals(599, reusedOf(other));
    }

    /// What nobody has used for 30 minutes has no share, also after a restart.
    @Test
    void aRestartMakesNothingYounger() throws Exception {
        store(false, false);
        long each = 3 * PIECE + 8 * FakeCopies.POSITION_BYTES + 800;
        var few = ids(192);
        reusedOf(few, "few");
        restart(8 * each);
        Files.setLastModifiedTime(
                files().getFirst(), FileTime.from(Instant.now().minus(Duration.ofHours(1))));
        decoder = decoder(false, false);
        scheduler = scheduler(8 * each);
        for (int i = 0; i < 40; i++) {
            reusedOf(ids(192), "many");
        }
        assertEquals(0, reusedOf(few, "few"));
    }

    @Test
    void filesStayWithinTheRoomForCopies() throws Exception {
        store(false, false);
        var prompts = IntStream.range(0, 8).mapToObj(_ -> ids(192)).toList();
        for (var prompt : prompts) {
            reusedOf(prompt);
        }
        long each = 3 * PIECE + 8 * FakeCopies.POSITION_BYTES + 800;
        restart(4 * each);
        assertTrue(PrefixFigures.bytes(stats) <= 4 * each);
        assertEquals(191, reusedOf(prompts.get(7)));
        assertEquals(0, reusedOf(prompts.get(0)));
        // What has no room any more is deleted when others are written.
        restart(4 * each);
        assertTrue(files().size() <= 4, files().size() + " files");
        assertEquals(191, reusedOf(prompts.get(0)));
    }

    /// A restore that fails in the middle of a chunk leaves a place where the sequence's own chunks would not be cut.
    @Test
    void aDeterministicDecoderGoesOnFromACutIfARestoreFails() {
        decoder = decoder(true, false);
        scheduler = scheduler(AMPLE);
        var prompt = ids(600);
        reusedOf(prompt);
        runOthers(10, 200);
        int prefilled = decoder.promptTokens;
        var sequence = submit(prompt, ANSWER, "");
        while (sequence.prefilled() < 192) {
            // Of 64 positions each; the first 192 are no cut.
            decoder.fails = () -> sequence.prefilled() == 192;
            scheduler.step();
        }
        decoder.fails = () -> false;
        runToTheEnd();
        assertEquals(600 - decoder.sizes.cutBefore(192), decoder.promptTokens - prefilled);
        assertText(prompt, ANSWER, sequence);
        assertEquals(decoder.sizes.cutBefore(192), sequence.reused());
        assertTrue(sequence.reused() > 0 && sequence.reused() < 192, sequence.reused() + " tokens");
        assertEquals(decoder.sizes.cutBefore(599), reusedOf(prompt), "its own chunks were whole");
    }

    @Test
    void copiesWithNumbersThatAreNotFiniteAreDropped() {
        var prompt = ids(600);
        prompt[40] = 3;
        reusedOf(prompt);
        runOthers(10);
        // As if what is in the copy were not finite.
        decoder.poison = 3;
        var failing = submit(prompt, ANSWER, "");
        runToTheEnd();
        assertEquals(FinishReason.ERROR, lastOf(failing));
        assertEquals(599, failing.reused());
        decoder.poison = -1;
        assertEquals(0, reusedOf(prompt));
    }

    /// Its client is not told of what it reused later, but its numbers may come from there.
    @Test
    void aPreemptedSequenceHasReusedWhatItGotLater() {
        var sequence = submit(ids(100), ANSWER, "");
        sequence.preempt();
        assertFalse(sequence.hasReused());
        sequence.reuse(64, 64);
        assertEquals(0, sequence.reused());
        assertTrue(sequence.hasReused());
    }

    /// The state is a piece of its own, after which the time is looked at.
    @Test
    void aStateIsCopiedBackInAStepOfItsOwn() {
        decoder = decoder(false, true);
        scheduler = scheduler(AMPLE);
        var prompt = ids(600);
        prompt[399] = FakeDecoder.END;
        reusedOf(prompt);
        runOthers(10);
        submit(ids(20), 300, "");
        step(10);
        // A piece takes all the time that a step has for copies.
        decoder.pieceNanos = FakeDecoder.CALL_NANOS;
        var turn = Arrays.copyOf(prompt, 700);
        Arrays.fill(turn, 400, 700, 9);
        var back = submit(turn, ANSWER, "");
        while (back.generated() == 0) {
            int pieces = decoder.pieces;
            scheduler.step();
            assertTrue(decoder.pieces - pieces <= 2, "one back, and one out of a slot");
        }
        assertEquals(400, back.reused());
    }

    @Test
    void aKeyWithManyConversationsDropsItsOwn() {
        decoder = decoder(false, false);
        long each = 3 * PIECE + 8 * FakeCopies.POSITION_BYTES + 800;
        scheduler = scheduler(8 * each);
        var few = IntStream.range(0, 2).mapToObj(_ -> ids(192)).toList();
        few.forEach(prompt -> reusedOf(prompt, "few"));
        for (int i = 0; i < 40; i++) {
            reusedOf(ids(192), "many");
        }
        for (var prompt : few) {
            assertEquals(191, reusedOf(prompt, "few"));
        }
        assertTrue(PrefixFigures.dropped(stats) > 20);
        for (int i = 0; i < SLOTS; i++) {
            reusedOf(ids(192), "many");
        }
        // What nobody has used for long has no share.
        nowNanos += Duration.ofHours(1).toNanos();
        for (int i = 0; i < 40; i++) {
            reusedOf(ids(192), "many");
        }
        assertEquals(0, reusedOf(few.get(0), "few"));
    }
}
