package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.device.Precision;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.weights.content.TensorType;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Random models of every weight format against plain loops over the same numbers.
@Concurrent
class DecoderFormatsTest {
    private static final int[] IDS = {3, 141, 59, 26, 53, 58, 97, 93, 23, 84, 62, 64};
    private static final double FLOAT32_TOLERANCE = 1e-5;
    /// Rounding of weights or their scales, activations and cache to the 8 bits of bfloat16, some 20 times one after
    /// the other. A wrong layout is off by more than 1.
    private static final double BF16_TOLERANCE = 0.08;

    /// Types that are read and held as others are that are tried here.
    private static final String BESIDE_THEM = "IQ[123].*|TQ.*";

    @TempDir
    private Path directory;

    @ParameterizedTest
    @EnumSource
    void float32IsExact(TensorType type) throws Exception {
        var seed = 11 + type.ordinal();
        var tiny = TinyLlama.of(type, new Random(seed));
        try (var decoder = tiny.load(directory, options(Precision.FP32))) {
            assertPrefillAndDecode(tiny, decoder, FLOAT32_TOLERANCE, "seed " + seed);
        }
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.MATCH_NONE, names = BESIDE_THEM)
    void theFastestFormIsClose(TensorType type) throws Exception {
        var seed = 23 + type.ordinal();
        var tiny = TinyLlama.of(type, new Random(seed));
        try (var decoder = tiny.load(directory, options(Precision.AUTO))) {
            assertPrefillAndDecode(tiny, decoder, BF16_TOLERANCE, "seed " + seed);
        }
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.MATCH_NONE, names = BESIDE_THEM)
    void rowsThatTheInt4LayoutCannotTakeAreHeldAnotherWay(TensorType type) throws Exception {
        var seed = 37 + type.ordinal();
        var tiny = new TinyLlama(type, 96, 200, false, new Random(seed));
        try (var decoder = tiny.load(directory, options(Precision.AUTO))) {
            assertPrefillAndDecode(tiny, decoder, BF16_TOLERANCE, "seed " + seed);
        }
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.MATCH_NONE, names = BESIDE_THEM)
    void bfloat16IsClose(TensorType type) throws Exception {
        var seed = 53 + type.ordinal();
        var tiny = TinyLlama.of(type, new Random(seed));
        try (var decoder = tiny.load(directory, options(Precision.BF16))) {
            assertPrefillAndDecode(tiny, decoder, BF16_TOLERANCE, "seed " + seed);
        }
    }

    @Test
    void aModelWithoutAHeadOfItsOwnUsesTheEmbedding() throws Exception {
        var tiny = new TinyLlama(TensorType.Q8_0, 128, 192, false, new Random(71));
        try (var decoder = tiny.load(directory, options(Precision.FP32))) {
            assertPrefillAndDecode(tiny, decoder, FLOAT32_TOLERANCE, "seed 71");
        }
    }

    @Test
    void ropeFactorsOfLlama3SlowTheTurns() throws Exception {
        var tiny = TinyLlama.of(TensorType.F32, new Random(83));
        var factors = new float[TinyLlama.HEAD_DIM / 2];
        var frequencies = NaiveLlama.plainFrequencies();
        for (var i = 0; i < factors.length; i++) {
            factors[i] = i < 4 ? 1 : 0.5f * i;
            frequencies[i] /= factors[i];
        }
        tiny.file.floats("rope_freqs.weight", factors, factors.length);
        try (var decoder = tiny.load(directory, options(Precision.FP32))) {
            assertLogits(
                    new NaiveLlama(tiny, frequencies).logits(IDS),
                    decoder.prefillLogits(0, IDS, 0),
                    FLOAT32_TOLERANCE,
                    "");
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"Q4_1", "Q8_0", "Q4_K", "Q6_K"})
    void queriesAndKeysWhosePairsAreHalfAHeadApartAreReordered(TensorType type) throws Exception {
        var seed = 97 + type.ordinal();
        var tiny = TinyLlama.halfSplit(type, new Random(seed));
        for (var layer = 0; layer < TinyLlama.LAYERS; layer++) {
            for (var name : List.of("blk." + layer + ".attn_q.weight", "blk." + layer + ".attn_k.weight")) {
                tiny.values.put(name, inPairs(tiny.weights(name)));
            }
        }
        try (var decoder = tiny.load(directory, options(Precision.FP32))) {
            assertPrefillAndDecode(tiny, decoder, FLOAT32_TOLERANCE, "seed " + seed);
        }
    }

    private static float[] inPairs(float[] weights) {
        int columns = TinyLlama.HIDDEN, dim = TinyLlama.HEAD_DIM;
        var reordered = new float[weights.length];
        for (var i = 0; i < weights.length; i++) {
            int row = i / columns, head = row / dim, within = row % dim;
            var from = head * dim + within % 2 * (dim / 2) + within / 2;
            reordered[i] = weights[from * columns + i % columns];
        }
        return reordered;
    }

    /// Prefills all but the last token, which a decode step then takes.
    static void assertPrefillAndDecode(TinyLlama tiny, TorchDecoder decoder, double tolerance, String message) {
        var naive = new NaiveLlama(tiny);
        var last = IDS.length - 1;
        var prompt = Arrays.copyOf(IDS, last);
        assertLogits(naive.logits(prompt), decoder.prefillLogits(0, prompt, 0), tolerance, message + ", prefill");
        var logits = decoder.decodeLogits(new int[] {IDS[last]}, new int[] {last});
        assertLogits(naive.logits(IDS), logits, tolerance, message + ", decode");
        decoder.prefillLast(1, IDS, 0, SamplingParameters.greedy());
        var rows = decoder.decodeLogits(new int[] {IDS[last], 7}, new int[] {last, IDS.length});
        var longer = Arrays.copyOf(IDS, IDS.length + 1);
        longer[IDS.length] = 7;
        assertLogits(naive.logits(IDS), Arrays.copyOf(rows, tiny.vocabulary), tolerance, message + ", row 0");
        var second = Arrays.copyOfRange(rows, tiny.vocabulary, 2 * tiny.vocabulary);
        assertLogits(naive.logits(longer), second, tolerance, message + ", row 1");
    }

    /// @param tolerance of the logits' distance, as a part of their length
    private static void assertLogits(double[] expected, float[] actual, double tolerance, String message) {
        assertEquals(expected.length, actual.length, message);
        double distance = 0, length = 0;
        for (var i = 0; i < expected.length; i++) {
            distance += Math.pow(expected[i] - actual[i], 2);
            length += Math.pow(expected[i], 2);
        }
        assertEquals(0, Math.sqrt(distance / length), tolerance, message);
    }

    private static DecoderOptions options(Precision weights) {
        return new DecoderOptions(weights, Precision.AUTO, 3, 128, 1, "cpu", false);
    }
}
