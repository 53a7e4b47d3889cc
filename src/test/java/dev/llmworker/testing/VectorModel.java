package dev.llmworker.testing;

import dev.llmworker.engine.InProcessGenerator;
import dev.llmworker.engine.LanguageModel;
import dev.llmworker.generation.Readiness;
import dev.llmworker.generation.Task;
import dev.llmworker.model.DecoderDescription;
import dev.llmworker.model.decoder.DecodeBatch;
import dev.llmworker.model.decoder.Decoder;
import dev.llmworker.model.decoder.Encoder;
import dev.llmworker.model.decoder.OutOfMemoryException;
import dev.llmworker.model.decoder.PromptPart;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.stats.EngineStats;
import dev.llmworker.text.chat.PromptEncoder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Semaphore;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/// A model whose vectors are simple to compute, behind the real engine. Its tokens are bytes and control tokens. It
/// refuses steps that a real one would answer with garbage: parts that do not go on where their slot ends.
///
/// An embedding has how often each of [#COUNTED] is in the text. The logits of a document are how often `+` and `-`
/// are in it.
public final class VectorModel implements Encoder {
    /// What the values of an embedding count.
    public static final String COUNTED = "abcd";

    public static final int CONTEXT = 512;
    public static final int SLOTS = 3;
    public static final int STEP_TOKENS = 64;
    /// A text with this token has a vector that is not finite, and so has what runs in its slot until that is cleared.
    public static final int POISON = '!';

    private static final String SCORED = "+-";

    private final String counted;
    private final boolean whole;
    private final boolean mixed;
    private final List<List<Integer>> slots = new ArrayList<>();
    /// The tokens of each step, so that tests see how texts share steps.
    public final List<Integer> steps = new ArrayList<>();
    /// A step with more parts needs more memory than there is.
    public int mostParts = SLOTS;
    /// Vectors of more texts at once need more memory than there is.
    public int mostProjected = SLOTS;
    /// Whether a step that failed may run again.
    public boolean repeats = true;
    /// How often memory was given back after a step that failed.
    public int recovered;

    private final Set<Integer> poisoned = new HashSet<>();
    /// A step takes one of these, if there is a limit.
    public final Semaphore permits;

    public VectorModel(Task task, boolean whole, boolean mixed, int steps) {
        counted = task == Task.RERANK ? SCORED : COUNTED;
        this.whole = whole;
        this.mixed = mixed;
        permits = new Semaphore(steps);
        for (var slot = 0; slot < SLOTS; slot++) {
            slots.add(new ArrayList<>());
        }
    }

    /// A model that works as fast as it can.
    public static VectorModel of(Task task) {
        return new VectorModel(task, false, false, Integer.MAX_VALUE);
    }

    /// A running engine with this model.
    public InProcessGenerator start(Task task) {
        return start(task, Duration.ofMinutes(1), null);
    }

    public InProcessGenerator start(Task task, Duration timeout, @Nullable Integer queueLimit) {
        var tokenizer = new ScriptedModel(
                        "<|im_end|>", List.of("<|im_start|>"), List.of("yes", "no"), UnaryOperator.identity())
                .tokenizer();
        var generator = InProcessGenerator.start(
                () -> new LanguageModel(
                        new NoDecoder(), tokenizer, new PromptEncoder(tokenizer, null), "vectors", task, this),
                new InProcessGenerator.Limits(queueLimit, timeout),
                System::nanoTime,
                new EngineStats(),
                _ -> {});
        Await.until("the model is loaded", () -> !(generator.readiness() instanceof Readiness.Loading));
        return generator;
    }

    /// What [#encode] and [#project] together make of a text.
    public float[] expected(int[] ids) {
        var vector = new float[counted.length()];
        for (var id : ids) {
            var at = counted.indexOf(id);
            if (at >= 0) {
                vector[at]++;
            }
        }
        return vector;
    }

    @Override
    public int dimensions() {
        return counted.length();
    }

    @Override
    public int stepTokens() {
        return whole ? CONTEXT : STEP_TOKENS;
    }

    @Override
    public boolean takesWholeTexts() {
        return whole;
    }

    @Override
    public boolean isMixed() {
        return mixed;
    }

    @Override
    public boolean isMean() {
        return whole;
    }

    @Override
    public float[][] encode(List<PromptPart> parts) {
        permits.acquireUninterruptibly();
        if (parts.size() > mostParts) {
            throw new OutOfMemoryException("no memory", new IllegalStateException());
        }
        var tokens = parts.stream().mapToInt(part -> part.ids().length).sum();
        steps.add(tokens);
        check(tokens <= stepTokens() && !parts.isEmpty(), tokens + " tokens in a step");
        check(!mixed || parts.size() == 1, "texts share a step");
        var used = new HashSet<Integer>();
        var pooled = new float[parts.size()][];
        for (var i = 0; i < pooled.length; i++) {
            var part = parts.get(i);
            var slot = slots.get(part.slot());
            check(used.add(part.slot()), "slot " + part.slot() + " is there twice");
            if (part.start() == 0) {
                slot.clear();
            }
            check(!poisoned.contains(part.slot()), "slot " + part.slot() + " has what is not finite");
            check(part.start() == slot.size() && part.ids().length > 0, "a part from " + part.start());
            Arrays.stream(part.ids()).forEach(slot::add);
            // The mean is of the sums of all parts; otherwise the last part has what the whole text has.
            pooled[i] = expected(
                    isMean() ? part.ids() : slot.stream().mapToInt(id -> id).toArray());
            if (slot.contains(POISON)) {
                pooled[i][0] = Float.NaN;
                poisoned.add(part.slot());
            }
        }
        return pooled;
    }

    @Override
    public float[][] project(float[][] pooled) {
        if (pooled.length > mostProjected) {
            throw new OutOfMemoryException("no memory", new IllegalStateException());
        }
        return pooled;
    }

    @Override
    public boolean canRepeatSteps() {
        return repeats;
    }

    @Override
    public void recover() {
        recovered++;
    }

    @Override
    public void clearSlot(int slot, int length) {
        check(length <= CONTEXT, length + " tokens are cleared");
        if (length >= slots.get(slot).size()) {
            poisoned.remove(slot);
        }
    }

    private static void check(boolean holds, String problem) {
        if (!holds) {
            throw new IllegalArgumentException(problem);
        }
    }

    /// It generates nothing.
    private static final class NoDecoder implements Decoder {
        @Override
        public DecoderDescription description() {
            return new DecoderDescription(
                    "vectors", "vectors", 300, CONTEXT, SLOTS, "none", "none", 0, Map.of(), 0, SLOTS * CONTEXT);
        }

        private static UnsupportedOperationException refused() {
            return new UnsupportedOperationException("this model makes vectors");
        }

        @Override
        public void prefill(int slot, int[] ids, int start) {
            throw refused();
        }

        @Override
        public int prefillLast(int slot, int[] ids, int start, SamplingParameters sampling) {
            throw refused();
        }

        @Override
        public int[] decode(DecodeBatch batch, int steps) {
            throw refused();
        }

        @Override
        public int[] decodeBeside(DecodeBatch batch, List<PromptPart> parts) {
            throw refused();
        }

        @Override
        public void copySlot(int from, int to, int length) {
            throw refused();
        }

        @Override
        public void swapSlots(int a, int b, int length) {
            throw refused();
        }

        @Override
        public boolean deterministic() {
            return false;
        }

        @Override
        public void close() {}
    }
}
