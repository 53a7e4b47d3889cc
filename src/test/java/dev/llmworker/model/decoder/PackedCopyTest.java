package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.Kernels;
import dev.llmworker.model.device.Precision;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.weights.content.TensorType;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// When the packed bfloat16 copy is there, and what it holds.
@Concurrent
class PackedCopyTest {
    private static final int SLOTS = 8;
    /// Of a tiny model; each step makes at least one.
    private static final int MATRICES = 4 * TinyLlama.LAYERS + 1;
    /// As in [DecoderFormatsTest].
    private static final double BF16_TOLERANCE = 0.08;

    private static final int ALONE = 0;
    private static final int BESIDE_OTHERS = 1;

    @TempDir
    private Path directory;

    private final Random random = new Random(173);
    private final int[] longPrompt = random.ints(40, 0, 192).toArray();
    private final int[] shortPrompt = Arrays.copyOf(longPrompt, 31);

    private TorchDecoder load(TinyLlama tiny, boolean deterministic) throws Exception {
        MachineNeeds.avx512();
        var options = new DecoderOptions(Precision.AUTO, Precision.AUTO, SLOTS, 128, 1, "cpu", deterministic)
                .with(Kernels.TORCH);
        var decoder = tiny.load(directory, options);
        var format = decoder.description().weightFormat();
        assertTrue(format.startsWith("int"), "the weights are " + format);
        return decoder;
    }

    private TorchDecoder load(boolean deterministic) throws Exception {
        return load(TinyLlama.of(TensorType.Q4_1, random), deterministic);
    }

    private static void steps(TorchDecoder decoder, int count) {
        var batch = new DecodeBatch(1);
        batch.add(3, 50, SamplingParameters.greedy());
        for (var step = 0; step < count; step++) {
            decoder.decode(batch, 1);
        }
    }

    @Test
    void aPromptBesideOthersTakesWhatIsThereAndTheStepsAfterItMakeTheRest() throws Exception {
        try (var decoder = load(false)) {
            var before = decoder.prefillLogits(BESIDE_OTHERS, longPrompt, 0);
            assertArrayEquals(before, decoder.prefillLogits(BESIDE_OTHERS, longPrompt, 0));
            steps(decoder, MATRICES);
            var after = decoder.prefillLogits(BESIDE_OTHERS, longPrompt, 0);
            assertFalse(Arrays.equals(before, after), "the prompt still uses int4");
            assertArrayEquals(after, decoder.prefillLogits(ALONE, longPrompt, 0));
        }
    }

    @Test
    void aPromptAloneGetsTheSameFiguresBeforeAndAfterARest() throws Exception {
        try (var decoder = load(false)) {
            var first = decoder.prefillLogits(ALONE, longPrompt, 0);
            assertArrayEquals(first, decoder.prefillLogits(ALONE, longPrompt, 0));
            var packed = decoder.prefillLogits(BESIDE_OTHERS, longPrompt, 0);
            assertArrayEquals(first, packed);
            decoder.rest();
            assertFalse(
                    Arrays.equals(packed, decoder.prefillLogits(BESIDE_OTHERS, longPrompt, 0)),
                    "the copy is still there");
            assertArrayEquals(first, decoder.prefillLogits(ALONE, longPrompt, 0));
        }
    }

    @Test
    void aShortPromptAloneGetsTheSameFiguresWhateverIsThere() throws Exception {
        try (var decoder = load(false)) {
            var before = decoder.prefillLogits(ALONE, shortPrompt, 0);
            decoder.prefill(ALONE, longPrompt, 0);
            assertArrayEquals(before, decoder.prefillLogits(ALONE, shortPrompt, 0));
        }
    }

    @Test
    void aRestLeavesTheSlotsAsTheyAre() throws Exception {
        try (var decoder = load(false)) {
            decoder.prefill(2, longPrompt, 0);
            decoder.copySlot(2, 0, longPrompt.length);
            var before = decoder.decodeLogits(new int[] {7}, new int[] {longPrompt.length});
            decoder.rest();
            decoder.copySlot(2, 0, longPrompt.length);
            assertArrayEquals(before, decoder.decodeLogits(new int[] {7}, new int[] {longPrompt.length}));
        }
    }

    @Test
    void inDeterministicModeTheCopyIsThereFromTheStart() throws Exception {
        try (var decoder = load(true)) {
            var before = decoder.prefillLogits(BESIDE_OTHERS, longPrompt, 0);
            steps(decoder, MATRICES);
            decoder.rest();
            assertArrayEquals(before, decoder.prefillLogits(BESIDE_OTHERS, longPrompt, 0));
            assertArrayEquals(before, decoder.prefillLogits(ALONE, longPrompt, 0));
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"Q4_0", "Q4_1", "Q4_K", "Q5_0", "Q5_K", "Q8_0"})
    void itHoldsTheNumbersOfTheFile(TensorType type) throws Exception {
        var tiny = TinyLlama.of(type, random);
        var naive = new NaiveLlama(tiny).logits(longPrompt);
        try (var decoder = load(tiny, false)) {
            assertClose(naive, decoder.prefillLogits(ALONE, longPrompt, 0), type + " prefill");
            var last = longPrompt.length - 1;
            var tokens = new int[SLOTS];
            var positions = new int[SLOTS];
            Arrays.fill(tokens, longPrompt[last]);
            Arrays.fill(positions, last);
            for (var slot = 0; slot < SLOTS; slot++) {
                decoder.prefill(slot, Arrays.copyOf(longPrompt, last), 0);
            }
            var rows = decoder.decodeLogits(tokens, positions);
            for (var row = 0; row < SLOTS; row++) {
                var logits = Arrays.copyOfRange(rows, row * naive.length, (row + 1) * naive.length);
                assertClose(naive, logits, type + " row " + row);
            }
        }
    }

    private static void assertClose(double[] expected, float[] actual, String message) {
        double distance = 0, length = 0;
        for (var i = 0; i < expected.length; i++) {
            distance += Math.pow(expected[i] - actual[i], 2);
            length += Math.pow(expected[i], 2);
        }
        assertEquals(0, Math.sqrt(distance / length), BF16_TOLERANCE, message + ", seed 173");
    }
}
