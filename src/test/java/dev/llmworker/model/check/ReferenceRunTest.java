package dev.llmworker.model.check;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.decoder.ProgramKind;
import dev.llmworker.model.decoder.TinyLlama;
import dev.llmworker.model.decoder.TorchDecoder;
import dev.llmworker.model.device.Precision;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.weights.content.TensorType;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Concurrent
class ReferenceRunTest {
    private static final List<int[]> PROMPTS = List.of(
            new Random(1).ints(5, 0, 192).toArray(),
            new Random(2).ints(200, 0, 192).toArray(),
            new Random(3).ints(1, 0, 192).toArray());

    @TempDir
    private Path directory;

    private TorchDecoder load(int seed, Precision weights, ProgramKind program) throws Exception {
        var options = new DecoderOptions(weights, Precision.AUTO, 3, 256, 1, "cpu", false);
        return TinyLlama.of(TensorType.Q8_0, new Random(seed)).load(directory, options, program);
    }

    @Test
    void anExactDecoderSaysTheSameAndARoundedOneNearly() throws Exception {
        ReferenceRun transcript;
        try (var reference = load(7, Precision.FP32, ProgramKind.QUANTISED)) {
            transcript = ReferenceRun.of(reference, PROMPTS);
        }
        try (var exact = load(7, Precision.FP32, ProgramKind.DENSE)) {
            var found = transcript.compare(exact);
            assertEquals(2 * 3 * ReferenceRun.STEPS, found.positions());
            assertTrue(found.meanKl() < 1e-7, found.toString());
            assertEquals(1, found.sameLikeliest(), found.toString());
        }
        try (var rounded = load(7, Precision.BF16, ProgramKind.DENSE)) {
            var found = transcript.compare(rounded);
            assertTrue(found.meanKl() > 1e-7 && found.meanKl() < 1e-2, found.toString());
        }
    }

    /// What the self-test is for: it must not pass over these.
    @Test
    void anotherModelAnotherPositionAndNaNAreSeen() throws Exception {
        ReferenceRun transcript;
        try (var reference = load(7, Precision.FP32, ProgramKind.QUANTISED)) {
            transcript = ReferenceRun.of(reference, PROMPTS);
        }
        try (var other = load(8, Precision.FP32, ProgramKind.DENSE)) {
            var found = transcript.compare(other);
            assertTrue(found.meanKl() > 0.05, found.toString());
        }
        var shifted = new ReferenceRun(
                PROMPTS.stream().map(ReferenceRunTest::oneLater).toList(), transcript.answers(), transcript.logits());
        try (var same = load(7, Precision.FP32, ProgramKind.DENSE)) {
            var found = shifted.compare(same);
            assertTrue(found.meanKl() > 0.02, found.toString());
        }
        var sum = new ReferenceRun.Divergence.Sum();
        sum.add(new float[] {1, 2}, new float[] {1, Float.NaN});
        assertFalse(sum.mean().meanKl() <= 1, sum.mean().toString());
    }

    /// With a token before it.
    private static int[] oneLater(int[] prompt) {
        var later = new int[prompt.length + 1];
        System.arraycopy(prompt, 0, later, 1, prompt.length);
        return later;
    }

    @Test
    void speedIsMeasuredForEachNumberOfRowsWithItsBound() throws Exception {
        try (var decoder = load(7, Precision.BF16, ProgramKind.DENSE)) {
            var speed = new DecoderSpeed(decoder);
            // Two layers of qkv, output, gate and up, down; the head; 2 bytes each.
            var weights = 2 * (384 * 256 + 256 * 256 + 256 * 256 + 256 * 128) + 192 * 256;
            assertEquals(2L * weights, speed.stepBytes());
            var decoding = speed.decoding(Duration.ofMillis(5), 1e9);
            assertEquals(
                    List.of(1, 2),
                    decoding.stream().map(DecoderSpeed.Decoding::rows).toList());
            assertEquals(1e9 / (2 * weights + 129 * 512), decoding.getFirst().bound(), 1);
            assertTrue(decoding.stream().allMatch(found -> found.tokensPerSecond() > 0));
            assertTrue(speed.bandwidth(Duration.ofMillis(5)) > 1e8);
        }
    }
}
