package dev.llmworker.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.constraint.Constraint;
import dev.llmworker.constraint.ConstraintState;
import dev.llmworker.constraint.Expression;
import dev.llmworker.constraint.TokenTrie;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.HeldMemory;
import dev.llmworker.generation.Share;
import dev.llmworker.model.DecoderDescription;
import dev.llmworker.model.decoder.DecodeBatch;
import dev.llmworker.model.decoder.PromptPart;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.sampling.TokenHistory;
import dev.llmworker.stats.EngineStats;
import dev.llmworker.text.Detokenizer;
import dev.llmworker.text.chat.ChatFormat;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Answers with a format, from the letters `a` to `z` only, by a decoder that says what its script says.
@Timeout(180)
class NextTokensTest {
    private static final int SLOTS = 4;
    private static final TokenTrie LETTERS = new TokenTrie(
            26, id -> Character.toString('a' + id).getBytes(StandardCharsets.US_ASCII), new BitSet(), Set.of());

    /// Masks that somebody waits for; the decoder computes them in its layers.
    private final Queue<Runnable> masks = new ArrayDeque<>();
    private final ScriptedDecoder decoder = new ScriptedDecoder();
    private final WaitingQueue waiting = new WaitingQueue(SLOTS);
    private final Scheduler scheduler =
            new Scheduler(decoder, _ -> false, waiting, System::nanoTime, new EngineStats(), masks::add);

    /// Each row takes the next letter of its script, by the sequence's seed.
    private final class ScriptedDecoder extends SteppedDecoder {
        final Map<Long, String> scripts = new HashMap<>();
        final List<String> allowed = new ArrayList<>();
        /// How many masks were still missing when a step began, by step.
        final List<Integer> missing = new ArrayList<>();

        @Override
        public int[] decode(DecodeBatch batch, int count) {
            missing.add(masks.size());
            while (!masks.isEmpty()) {
                masks.remove().run();
            }
            var tokens = new int[batch.rows()];
            for (var row = 0; row < tokens.length; row++) {
                var history = batch.history(row);
                var script = scripts.getOrDefault(batch.sampling(row).seed(), "");
                tokens[row] = script.charAt(history == null ? 0 : history.length() - history.promptLength()) - 'a';
                if (history != null) {
                    allowed.add(letters(history.allowed()));
                }
            }
            return tokens;
        }

        @Override
        public DecoderDescription description() {
            return new FakeDecoder(SLOTS, 64).description();
        }

        @Override
        public void prefill(int slot, int[] ids, int start) {}

        @Override
        public void moveSlot(int from, int to, int length) {}

        @Override
        public void swapSlots(int a, int b, int length) {}

        @Override
        public int[] decodeBeside(DecodeBatch batch, List<PromptPart> parts) {
            return decode(batch, 1);
        }
    }

    private static String letters(long @Nullable [] mask) {
        var text = new StringBuilder();
        for (var id = 0; mask != null && id < 26; id++) {
            text.append((mask[0] >>> id & 1) == 1 ? Character.toString('a' + id) : "");
        }
        return mask == null ? "any" : text.toString();
    }

    private Sequence submit(@Nullable ConstraintState constraint, String script, int tokens) {
        var seed = decoder.scripts.size();
        decoder.scripts.put((long) seed, script);
        var prompt = new int[] {7, 8};
        var history = new TokenHistory(prompt, 0, new int[0]);
        if (constraint != null) {
            var first = constraint.mask();
            history.allow(() -> first);
        }
        var admission = new Admission(
                seed,
                prompt,
                tokens,
                true,
                new SamplingParameters(0, 0, 1, 0, seed),
                Long.MAX_VALUE / 4,
                "",
                Share.NONE,
                null,
                0,
                List.of(),
                Map.of(),
                history,
                null,
                constraint,
                null,
                ChatFormat.Start.OPEN);
        var sequence = new Sequence(
                admission, new Detokenizer(new LetterTokenizer()), waiting, System::nanoTime, (_, _) -> {});
        assertTrue(waiting.offer(sequence));
        return sequence;
    }

    private static String answer(Sequence sequence) {
        var text = new StringBuilder();
        for (var event : sequence) {
            text.append(
                    switch (event) {
                        case GenerationEvent.Token token -> token.text();
                        case GenerationEvent.Finished finished -> " " + finished.reason();
                    });
        }
        return text.toString();
    }

    private static Constraint pattern(String regex) {
        return new Constraint(new Expression.Pattern(regex), LETTERS);
    }

    @Test
    void aStepBeginsBeforeItsMasksAreThere() {
        var constraint = pattern("a[bc][de]f");
        var one = submit(constraint.begin(), "abdf", 10);
        var other = submit(constraint.begin(), "acef", 10);
        while (scheduler.step()) {}
        assertEquals("abdf " + FinishReason.STOP, answer(one));
        assertEquals("acef " + FinishReason.STOP, answer(other));
        assertEquals(List.of("a", "a", "bc", "bc", "de", "de", "f", "f"), decoder.allowed);
        assertEquals(0, decoder.missing.getFirst(), "the first mask is that of the format");
        assertEquals(2, decoder.missing.get(1), "two rows at a place where none was yet");
    }

    @Test
    void aPlaceThatWasVisitedBeforeNeedsNoThread() {
        var constraint = pattern("a[bc][de]f");
        submit(constraint.begin(), "abdf", 10);
        while (scheduler.step()) {}
        decoder.missing.clear();
        decoder.allowed.clear();
        submit(constraint.begin(), "acef", 10);
        while (scheduler.step()) {}
        assertEquals(List.of("a", "bc", "de", "f"), decoder.allowed);
        assertEquals(List.of(0, 0, 0, 0), decoder.missing);
    }

    /// The letters have no `é`, so nothing may follow the `b`.
    @Test
    void aMaskThatCannotBeComputedEndsItsAnswerAndNoOther() {
        var broken = submit(pattern("abé").begin(), "abz", 10);
        var fine = submit(pattern("a[bc][de]f").begin(), "abdf", 10);
        var free = submit(null, "xyzx", 4);
        while (scheduler.step()) {}
        assertEquals("ab " + FinishReason.ERROR, answer(broken));
        assertEquals("abdf " + FinishReason.STOP, answer(fine));
        assertEquals("xyzx " + FinishReason.LENGTH, answer(free));
    }

    @Test
    void aTokenThatTheFormatDoesNotAllowEndsTheAnswer() {
        var wrong = submit(pattern("a[bc]").begin(), "ax", 10);
        while (scheduler.step()) {}
        assertTrue(answer(wrong).endsWith(" " + FinishReason.ERROR));
    }

    /// A constraint that several generations use counts once, with the oldest of them.
    @Test
    void theMemoryOfAFormatCountsWhileAGenerationUsesIt() {
        var constraint = pattern("(a[bc][de]f)+");
        var one = new Counted();
        var other = new Counted();
        var first = submit(constraint.begin(), "abdfacefabdf", 8);
        var second = submit(constraint.begin(), "abdfacefabdf", 12);
        first.countIn(one);
        second.countIn(other);
        var prompt = 2 * 2 * Integer.BYTES;
        assertTrue(one.bytes > prompt, one.bytes + " bytes");
        assertEquals(prompt, other.bytes, "the prompt, and its copy");
        var begun = one.bytes;
        for (var i = 0; i < 4; i++) {
            scheduler.step();
        }
        assertTrue(one.bytes > begun, "it has grown: " + one.bytes);
        while (scheduler.step() && scheduler.running() == 2) {}
        assertTrue(other.bytes >= begun, "the other one counts it now: " + other.bytes);
        while (scheduler.step()) {}
        answer(first);
        answer(second);
        assertEquals(prompt, one.bytes);
        assertEquals(prompt, other.bytes);
    }

    private static final class Counted implements HeldMemory {
        long bytes;

        @Override
        public void take(long more) {
            bytes += more;
        }

        @Override
        public void add(long more) {
            bytes += more;
        }
    }
}
