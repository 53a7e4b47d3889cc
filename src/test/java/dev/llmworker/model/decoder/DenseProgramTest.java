package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.DeltaNet;
import dev.llmworker.model.Layer;
import dev.llmworker.model.ModelConfig;
import dev.llmworker.model.architecture.Architectures;
import dev.llmworker.model.device.Precision;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.weights.Gguf;
import dev.llmworker.weights.content.TensorType;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// The program for GPUs on the CPU, beside what the tests of both programs have.
@Concurrent
class DenseProgramTest {
    private static final long SEED = 19;

    @TempDir
    private Path directory;

    private TorchDecoder load(TinyLlama tiny, Precision weights, boolean deterministic) throws Exception {
        var options = new DecoderOptions(weights, Precision.AUTO, 4, 300, 1, "cpu", deterministic);
        return tiny.load(directory, options, ProgramKind.DENSE);
    }

    @ParameterizedTest
    @EnumSource
    void eachTypeOfWeightsGivesThePlainModelsLogits(TensorType type) throws Exception {
        var tiny = TinyLlama.of(type, new Random(SEED));
        var ids = new Random(SEED).ints(40, 0, 192).toArray();
        var expected = new NaiveLlama(tiny).logits(ids);
        try (var decoder = load(tiny, Precision.FP32, false)) {
            var logits = decoder.prefillLogits(0, ids, 0);
            for (var token = 0; token < logits.length; token++) {
                assertEquals(expected[token], logits[token], 2e-3, type + ", token " + token);
            }
        }
    }

    /// A context that is no multiple of what attention reads, to its last position, and idle rows beside.
    @ParameterizedTest
    @EnumSource(
            value = Precision.class,
            names = {"FP32", "BF16", "FP16"})
    void theContextIsUsedToItsEnd(Precision weights) throws Exception {
        var tiny = TinyLlama.of(TensorType.Q8_0, new Random(SEED));
        var ids = new Random(SEED).ints(300, 0, 192).toArray();
        var prompt = Arrays.copyOf(ids, 299);
        var expected = new NaiveLlama(tiny).logits(ids);
        for (var deterministic : new boolean[] {false, true}) {
            try (var decoder = load(tiny, weights, deterministic)) {
                decoder.prefill(0, prompt, 0);
                decoder.prefill(1, prompt, 0);
                var both = decoder.decodeLogits(new int[] {ids[299], ids[299]}, new int[] {299, 299});
                for (var i = 0; i < both.length; i++) {
                    assertEquals(
                            expected[i % 192], both[i], weights == Precision.FP32 ? 2e-3 : 0.15, weights + " " + i);
                }
            }
        }
    }

    @Test
    void warmingUpRunsEachNumberOfRowsAndLeavesTextsAsTheyAre() throws Exception {
        var tiny = TinyLlama.of(TensorType.Q8_0, new Random(SEED));
        try (var decoder = load(tiny, Precision.FP32, false)) {
            var ids = new int[] {5, 6, 7};
            var before = decoder.prefillLast(0, ids, 0, SamplingParameters.greedy());
            var calls = new WarmUp(decoder).kernels();
            // Five prompt lengths twice; one to four rows greedy and sampled, and three of them beside a prompt; one
            // and
            // three rows beside three longer ones; one and four rows at the end of the context; the rest.
            assertEquals(10 + 8 + 3 + 6 + 2 + 5, calls);
            assertEquals(before, decoder.prefillLast(0, ids, 0, SamplingParameters.greedy()));
        }
    }

    @Test
    void theDescriptionSaysTheTypeOfTheWeights() throws Exception {
        try (var decoder = load(TinyLlama.of(TensorType.Q8_0, new Random(SEED)), Precision.AUTO, false)) {
            assertEquals("bf16 (Q8_0)", decoder.description().weightFormat());
            assertEquals("cpu", decoder.description().device());
        }
    }

    private ModelConfig described(String name) throws Exception {
        var file = GoldenModel.named(name).withContext(100_000).file().write(directory.resolve("scratch.gguf"));
        try (var model = Gguf.open(file)) {
            return Architectures.describe(model);
        }
    }

    /// The five layers with a window keep the last 256 positions, and only the sixth one sees more with the context.
    @Test
    void whatARingTakesInAStepDoesNotGrowWithTheContext() throws Exception {
        var config = described("Gemma 3");
        // Prompts have masks. Steps have those of rings alone.
        var mask = 2 * 128 * (Float.BYTES + 1L);
        var turns = 2 * 2 * 24L * Float.BYTES;
        assertEquals(4_000 * (mask + turns), scratch(config, 32, 8_000) - scratch(config, 32, 4_000));
        assertEquals(100 * (mask + turns), scratch(config, 32, 700) - scratch(config, 32, 600));
    }

    @Test
    void eachSlotTakesACopyOfTheLargestRecurrentStateInAStep() throws Exception {
        var config = described("Qwen 3.5");
        var delta = config.layers().stream()
                .map(Layer::mixer)
                .filter(DeltaNet.class::isInstance)
                .map(DeltaNet.class::cast)
                .findFirst()
                .orElseThrow();
        var state = (long) delta.valueWidth() * delta.keyDim();
        var convolution = 3L * delta.kernel() * delta.channels();
        var queriesAndKeys = 2 * 2L * delta.valueHeads() * delta.keyDim();
        var values = 2L * delta.valueWidth();
        var perSlot = (state + convolution + queriesAndKeys + values) * Float.BYTES;
        assertEquals(24 * perSlot, scratch(config, 1024, 1_000) - scratch(config, 1000, 1_000));
    }

    /// Without the copies for pages.
    private static long scratch(ModelConfig config, int slots, long contextLength) {
        return DenseProgram.scratchBytes(config, slots, 128, Precision.FP32, contextLength)
                - DenseProgram.pieceBytes(config, slots, Precision.FP32, contextLength);
    }
}
