package dev.llmworker.model.check;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.decoder.DecodeBatch;
import dev.llmworker.model.decoder.ProgramKind;
import dev.llmworker.model.decoder.TinyLlama;
import dev.llmworker.model.decoder.TorchDecoder;
import dev.llmworker.model.device.Precision;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.weights.content.TensorType;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Tokens drawn with many seeds against the probabilities that plain Java makes of the logits.
@Concurrent
class SamplingDistributionTest {
    private static final int DRAWS_A_CALL = 64;
    private static final int CALLS = 40;
    private static final double DRAWS = DRAWS_A_CALL * CALLS;

    @TempDir
    private Path directory;

    @ParameterizedTest
    @EnumSource(names = {"QUANTISED", "DENSE"})
    void aSmallVocabularyIsDrawnAsItsLogitsSay(ProgramKind program) throws Exception {
        var tiny = TinyLlama.of(TensorType.F32, new Random(5));
        assertDrawn(
                tiny,
                program,
                new SamplingParameters(1, 0, 1, 0, 0),
                new SamplingParameters(0.7f, 0, 1, 0, 0),
                new SamplingParameters(1, 10, 1, 0, 0),
                new SamplingParameters(1, 100, 1, 0, 0),
                new SamplingParameters(1, 0, 0.6f, 0, 0),
                new SamplingParameters(1.3f, 0, 1, 0.1f, 0),
                new SamplingParameters(0.9f, 40, 0.8f, 0.05f, 0));
    }

    /// Wide enough that the candidates are searched by groups, and so flat that top_p keeps thousands of them.
    @ParameterizedTest
    @EnumSource(names = {"QUANTISED", "DENSE"})
    void aLargeVocabularyIsDrawnAsItsLogitsSay(ProgramKind program) throws Exception {
        var tiny = new TinyLlama(TensorType.F32, 128, 8192, true, new Random(6));
        assertDrawn(
                tiny,
                program,
                new SamplingParameters(0.5f, 0, 1, 0, 0),
                new SamplingParameters(0.3f, 50, 1, 0, 0),
                new SamplingParameters(0.5f, 0, 0.5f, 0, 0),
                new SamplingParameters(1.5f, 0, 0.9f, 0, 0),
                new SamplingParameters(0.25f, 700, 0.95f, 0, 0));
    }

    /// The inverse of this temperature is infinite.
    @ParameterizedTest
    @EnumSource(names = {"QUANTISED", "DENSE"})
    void theLeastTemperatureDrawsTheLikeliestToken(ProgramKind program) throws Exception {
        var options = new DecoderOptions(Precision.FP32, Precision.AUTO, DRAWS_A_CALL, 64, 1, "cpu", true);
        try (var decoder = TinyLlama.of(TensorType.F32, new Random(5)).load(directory, options, program)) {
            var greedy = new DecodeBatch(1);
            greedy.add(7, 0, new SamplingParameters(0, 0, 1, 0, 0));
            var likeliest = decoder.decode(greedy, 1)[0];
            for (var topK : new int[] {0, 10}) {
                for (var topP : new float[] {1, 0.9f}) {
                    var sampling = new SamplingParameters(Float.MIN_VALUE, topK, topP, 0, 0);
                    assertEquals(DRAWS, counts(decoder, sampling)[likeliest], sampling.toString());
                }
            }
        }
    }

    private void assertDrawn(TinyLlama tiny, ProgramKind program, SamplingParameters... samplings) throws Exception {
        var options = new DecoderOptions(Precision.FP32, Precision.AUTO, DRAWS_A_CALL, 64, 1, "cpu", true);
        try (var decoder = tiny.load(directory, options, program)) {
            for (var sampling : samplings) {
                var expected = SamplerCheck.probabilities(decoder.decodeLogits(new int[] {7}, new int[] {0}), sampling);
                assertFits(expected, counts(decoder, sampling), sampling.toString());
            }
        }
    }

    private static int[] counts(TorchDecoder decoder, SamplingParameters sampling) {
        var counts = new int[decoder.description().vocabularySize()];
        for (var call = 0; call < CALLS; call++) {
            var batch = new DecodeBatch(DRAWS_A_CALL);
            for (var row = 0; row < DRAWS_A_CALL; row++) {
                batch.add(7, 0, SamplerCheck.withSeed(sampling, call * DRAWS_A_CALL + row));
            }
            for (var token : decoder.decode(batch, 1)) {
                counts[token]++;
            }
        }
        return counts;
    }

    /// Pearson's chi-square over bins of tokens that are each expected at least ten times. The statistic's mean
    /// is the degrees of freedom and its variance twice as much; five standard deviations off is no chance.
    private static void assertFits(double[] expected, int[] counts, String message) {
        double statistic = 0, binExpected = 0;
        int bins = 0, binCount = 0;
        for (var i = 0; i < expected.length; i++) {
            assertTrue(expected[i] > 0 || counts[i] == 0, message + ": token " + i + " was filtered out and drawn");
            binExpected += expected[i] * DRAWS;
            binCount += counts[i];
            if (binExpected >= 10) {
                statistic += Math.pow(binCount - binExpected, 2) / binExpected;
                bins++;
                binExpected = 0;
                binCount = 0;
            }
        }
        assertTrue(bins >= 3, message + ": bins " + bins);
        var freedom = bins - 1.0;
        assertEquals(freedom, statistic, 5 * Math.sqrt(2 * freedom) + 5, message + ": chi-square of " + bins + " bins");
    }
}
