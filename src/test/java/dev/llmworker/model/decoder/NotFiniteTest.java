package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.NativeLibrary;
import dev.llmworker.model.device.Libtorch;
import dev.llmworker.model.device.Precision;
import dev.llmworker.sampling.LogitAdjustment;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.sampling.TokenHistory;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.weights.content.TensorType;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// A model in which one token makes all numbers infinite or NaN from the first layer on, and what float16 does not
/// hold.
@Concurrent
class NotFiniteTest {
    private static final int SICK = 5;
    private static final int[] HEALTHY_PROMPT = {1, 2, 3};
    private static final float HUGE = 1e30f;

    @TempDir
    private Path directory;

    /// Only the sick token's embedding has a value in column 0, to which no attention adds. A gate and its value take
    /// it times a number whose square is infinite.
    private TorchDecoder load(ProgramKind program, TensorType head) throws IOException, InterruptedException {
        Libtorch.await();
        Assertions.assertNull(NativeLibrary.problem());
        var golden = GoldenModel.named("Llama 2 in F16, config of transformers 4");
        var file = golden.metadataOnly();
        for (var tensor : GoldenWeights.of(golden.tensors())) {
            var values = tensor.values();
            var columns = (int) tensor.shape()[0];
            switch (tensor.name()) {
                case "token_embd.weight" -> {
                    for (var at = 0; at < values.length; at += columns) {
                        values[at] = at == SICK * columns ? 1 : 0;
                    }
                }
                case "blk.0.attn_output.weight" -> Arrays.fill(values, 0, columns, 0);
                case "blk.0.ffn_gate.weight", "blk.0.ffn_up.weight" -> {
                    Arrays.fill(values, 0, columns, 0);
                    values[0] = HUGE;
                }
                default -> {}
            }
            if (tensor.name().equals("output.weight") && head == TensorType.Q8_0) {
                file.tensor(tensor.name(), head, blocks(values), tensor.shape());
            } else {
                file.floats(tensor.name(), values, tensor.shape());
            }
        }
        var weights = program == ProgramKind.NATIVE ? Precision.AUTO : Precision.FP32;
        return TinyLlama.load(
                file, directory, new DecoderOptions(weights, Precision.FP32, 3, 96, 1, "cpu", false), program);
    }

    /// Q8_0 blocks of values from -0.25 to 0.25: a scale of 1/256 in float16, and 32 integers.
    private static byte[] blocks(float... values) {
        var bytes = ByteBuffer.allocate(values.length / 32 * 34).order(ByteOrder.LITTLE_ENDIAN);
        for (var i = 0; i < values.length; i++) {
            if (i % 32 == 0) {
                bytes.putShort((short) 0x1C00);
            }
            bytes.put((byte) Math.round(values[i] * 256));
        }
        return bytes.array();
    }

    /// Products with plain matrices keep NaN by themselves. Those with quantised ones round the activations first.
    private static Stream<Arguments> programsAndHeads() {
        return Arrays.stream(ProgramKind.values())
                .flatMap(
                        program -> Stream.of(TensorType.F32, TensorType.Q8_0).map(head -> Arguments.of(program, head)));
    }

    private static List<SamplingParameters> samplings() {
        var scores = new SamplingParameters(0, 0, 1, 0, 0, LogitAdjustment.NONE, OptionalInt.of(3));
        var penalties = new LogitAdjustment(1.1f, 0.1f, 0.1f, Map.of(0, 1f));
        return List.of(
                SamplingParameters.greedy(),
                new SamplingParameters(1, 0, 1, 0, 1),
                new SamplingParameters(1, 10, 1, 0, 1),
                new SamplingParameters(1, 70, 0.5f, 0.01f, 1),
                new SamplingParameters(1, 0, 0.2f, 0, 1),
                scores,
                new SamplingParameters(1, 0, 0.9f, 0, 1, penalties, OptionalInt.empty()));
    }

    private static void add(DecodeBatch batch, int token, SamplingParameters sampling) {
        var isSteered = !sampling.adjustment().isNone() || sampling.logprobs().isPresent();
        batch.add(token, 3, sampling, isSteered ? new TokenHistory(new int[] {token}, 0, new int[0]) : null);
    }

    @ParameterizedTest
    @MethodSource("programsAndHeads")
    void aRowWhoseLogitsAreNotFiniteHasNoTokenAndTheOthersHaveTheirs(ProgramKind program, TensorType head)
            throws Exception {
        try (var decoder = load(program, head)) {
            for (var sampling : samplings()) {
                decoder.prefill(0, HEALTHY_PROMPT, 0);
                decoder.prefill(1, HEALTHY_PROMPT, 0);
                var alone = new DecodeBatch(1);
                add(alone, 4, sampling);
                var expected = decoder.decode(alone, 1)[0];
                assertTrue(expected >= 0, program + " " + sampling);
                for (var steps : new int[] {1, 3}) {
                    var both = new DecodeBatch(2);
                    add(both, 4, sampling);
                    add(both, SICK, sampling);
                    var tokens = decoder.decode(both, steps);
                    assertEquals(2 * steps, tokens.length);
                    assertEquals(expected, tokens[0], program + " " + sampling);
                    for (var step = 0; step < steps; step++) {
                        assertTrue(tokens[2 * step] >= 0, program + " " + sampling);
                        assertEquals(Decoder.NO_TOKEN, tokens[2 * step + 1], program + " " + sampling);
                    }
                }
                if (!both(sampling)) {
                    assertEquals(
                            Decoder.NO_TOKEN,
                            decoder.prefillLast(2, new int[] {1, SICK, 2}, 0, sampling),
                            program + " " + sampling);
                }
            }
        }
    }

    /// Prompts are sampled without adjustments.
    private static boolean both(SamplingParameters sampling) {
        return !sampling.adjustment().isNone() || sampling.logprobs().isPresent();
    }

    /// A shorter prompt in the same slot: attention may read what lies behind it, with a weight of 0.
    @ParameterizedTest
    @MethodSource("programsAndHeads")
    void aSlotThatIsClearedServesTheNextSequence(ProgramKind program, TensorType head) throws Exception {
        try (var decoder = load(program, head)) {
            var sick = IntStream.range(0, 60).map(i -> i == 0 ? SICK : i).toArray();
            decoder.prefill(0, HEALTHY_PROMPT, 0);
            var expected = decoder.decodeLogits(new int[] {4}, new int[] {3});
            decoder.prefill(0, HEALTHY_PROMPT, 0);
            decoder.prefill(1, sick, 0);
            decoder.clearSlot(1, sick.length);
            decoder.prefill(1, HEALTHY_PROMPT, 0);
            // The other row is long, so that the step reads far.
            decoder.prefill(2, IntStream.range(0, 60).map(i -> i + 6).toArray(), 0);
            var found = decoder.decodeLogits(new int[] {4, 4, 4}, new int[] {3, 3, 60});
            for (var row = 0; row < 2; row++) {
                var own = Arrays.copyOfRange(found, row * expected.length, (row + 1) * expected.length);
                assertArrayEquals(expected, own, 1e-4f, program + " row " + row);
            }
        }
    }

    /// Gates times values are about 10^6 here.
    @ParameterizedTest
    @ValueSource(strings = {"Llama 2 in F16, config of transformers 4", "Mixtral", "Qwen 3.5 with experts"})
    void feedForwardBlocksHoldWhatFloat16DoesNot(String name) throws Exception {
        var golden = GoldenModel.named(name);
        golden.tensors().forEach((tensor, numbers) -> {
            if (tensor.matches(".*ffn_(gate|up)(_exps|_shexp)?\\.weight")) {
                numbers[1] *= 1000;
            }
        });
        float[] exact, half;
        try (var decoder = load(golden, Precision.FP32)) {
            exact = decoder.prefillLogits(0, golden.ids(), 0);
        }
        try (var decoder = load(golden, Precision.FP16)) {
            half = decoder.prefillLogits(0, golden.ids(), 0);
        }
        assertArrayEquals(exact, half, 0.1f);
    }

    private TorchDecoder load(GoldenModel golden, Precision weights) throws Exception {
        var options = new DecoderOptions(weights, Precision.FP32, 2, 96, 1, "cpu", false);
        return TinyLlama.load(golden.file(), directory, options, ProgramKind.DENSE);
    }
}
