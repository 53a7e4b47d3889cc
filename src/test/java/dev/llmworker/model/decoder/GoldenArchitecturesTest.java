package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.architecture.Architectures;
import dev.llmworker.model.device.Precision;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.weights.Gguf;
import dev.llmworker.weights.GgufFile;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.TensorType;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Tiny models of each architecture against figures of transformers in float32, which `golden_architectures.py`
/// writes. Their metadata, and the names and shapes of their tensors, are those of llama.cpp's converter. Prompts are
/// longer than the windows.
@Concurrent
class GoldenArchitecturesTest {
    /// Chunks of a prompt, none of which is a multiple of anything.
    private static final int CHUNK = 7;
    /// The native program rounds activations to 16 bits.
    private static final float NATIVE_TOLERANCE = 0.02f;

    private static final String LAYER_EMBEDDING = "per_layer_token_embd.weight";
    private static final Precision EXACT = Precision.FP32;

    @TempDir
    private Path directory;

    @ParameterizedTest
    @MethodSource("goldens")
    void theDescriptionIsThatOfTransformers(GoldenModel golden) throws Exception {
        try (var model = Gguf.open(golden.file().write(directory.resolve("tiny.gguf")))) {
            var config = Architectures.describe(model);
            var logits = new NaiveModel(model, config.forContext(config.contextLength())).logits(golden.ids());
            for (var i = 0; i < logits.length; i++) {
                assertEquals(golden.logits()[i], logits[i], 1e-3);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("goldensAndPrograms")
    void programsGiveTheTokensAndLogitsOfTransformers(GoldenModel golden, ProgramKind program) throws Exception {
        var exact = program != ProgramKind.NATIVE;
        try (var decoder = load(golden, program, exact ? EXACT : Precision.AUTO, EXACT, true)) {
            var logits = decoder.prefillLogits(0, golden.ids(), 0);
            assertArrayEquals(golden.logits(), logits, exact ? 1e-3f : NATIVE_TOLERANCE);
            assertArrayEquals(golden.greedy(), greedy(decoder, golden, 1));
            assertArrayEquals(golden.greedy(), greedy(decoder, golden, 3));
            assertChunksAndPrefixesAreTheSame(golden, decoder);
        }
    }

    /// Slot 1 has the prompt in chunks. Slot 0 has a prefix that is kept and then the rest; slot 2 goes on
    /// from a copy of this prefix, and slot 0 goes back to it after other tokens.
    private static void assertChunksAndPrefixesAreTheSame(GoldenModel golden, TorchDecoder decoder) {
        var ids = golden.ids();
        for (var start = 0; start < ids.length; start += CHUNK) {
            decoder.prefill(1, Arrays.copyOfRange(ids, start, Math.min(ids.length, start + CHUNK)), start);
        }
        var reused = ids.length - CHUNK;
        var rest = Arrays.copyOfRange(ids, reused, ids.length);
        var next = golden.greedy()[0];
        var at = ids.length;
        decoder.prefill(0, Arrays.copyOf(ids, reused), 0);
        decoder.keep(0);
        decoder.prefill(0, rest, reused);
        var alone = decoder.decodeLogits(new int[] {next}, new int[] {at});
        assertEquals(reused, decoder.reusable(0, reused));
        decoder.copySlot(0, 2, reused);
        decoder.prefill(2, rest, reused);
        decoder.copySlot(0, 0, reused);
        decoder.prefill(0, new int[] {1, 2, 3}, reused);
        decoder.copySlot(0, 0, reused);
        decoder.prefill(0, rest, reused);
        var together = decoder.decodeLogits(new int[] {next, next, next}, new int[] {at, at, at});
        var size = alone.length;
        assertArrayEquals(alone, Arrays.copyOf(together, size));
        assertArrayEquals(alone, Arrays.copyOfRange(together, size, 2 * size), 1e-3f);
        assertArrayEquals(alone, Arrays.copyOfRange(together, 2 * size, 3 * size), 1e-3f);
    }

    /// Slots of 700 positions keep all of them; those of 1000 keep the last 256 in layers with a window. Some layers of
    /// Gemma 4 read the ring of an earlier one.
    @ParameterizedTest
    @CsvSource({
        "gpt-oss, DENSE",
        "gpt-oss, NATIVE",
        "'Gemma 4, shared keys and a second embedding', DENSE",
        "'Gemma 4, shared keys and a second embedding', NATIVE"
    })
    void ringsGiveWhatAllPositionsGive(String name, ProgramKind program) throws Exception {
        var golden = GoldenModel.named(name);
        golden.metadata().put(golden.metadata().get("general.architecture") + ".context_length", 2000);
        var ids = new Random(3).ints(640, 0, golden.logits().length).toArray();
        try (var full = loadLong(golden, program, 700);
                var ring = loadLong(golden, program, 1000)) {
            assertTrue(ring.needsKept() && !full.needsKept());
            var chunks = new int[] {7, 128, 65, 1, 100, 128, 99, 72};
            var start = 0;
            for (var chunk : chunks) {
                var part = Arrays.copyOfRange(ids, start, start + chunk);
                assertArrayEquals(full.prefillLogits(1, part, start), ring.prefillLogits(1, part, start), 1e-3f);
                start += chunk;
                if (start == 200) {
                    ring.keep(1);
                }
            }
            assertEquals(600, start);
            var whole = Arrays.copyOf(ids, start);
            assertArrayEquals(full.prefillLogits(0, whole, 0), ring.prefillLogits(0, whole, 0), 1e-3f);
            // The window of position 300 is not there any more, but that of 200 was kept.
            assertEquals(599, ring.reusable(1, 599));
            assertEquals(200, ring.reusable(1, 300));
            assertThrows(IllegalArgumentException.class, () -> ring.copySlot(1, 2, 300));
            ring.copySlot(1, 2, 200);
            full.copySlot(1, 2, 200);
            var rest = Arrays.copyOfRange(ids, 200, start);
            assertArrayEquals(full.prefillLogits(2, rest, 200), ring.prefillLogits(2, rest, 200), 1e-3f);
            for (var at = start; at < ids.length; at++) {
                var tokens = at % 2 == 0 ? new int[] {ids[at]} : new int[] {ids[at], ids[at - 1]};
                var positions = at % 2 == 0 ? new int[] {at} : new int[] {at, 600 + (at - 600) / 2};
                assertArrayEquals(full.decodeLogits(tokens, positions), ring.decodeLogits(tokens, positions), 1e-3f);
            }
            var batch = new DecodeBatch(1);
            batch.add(5, ids.length, SamplingParameters.greedy());
            var beside = List.of(new PromptPart(2, Arrays.copyOf(ids, 90), 0));
            assertArrayEquals(full.decodeBeside(batch, beside), ring.decodeBeside(batch, beside));
            var more = Arrays.copyOfRange(ids, 90, 120);
            assertArrayEquals(full.prefillLogits(2, more, 90), ring.prefillLogits(2, more, 90), 1e-3f);
        }
    }

    private TorchDecoder loadLong(GoldenModel golden, ProgramKind program, int contextLength) throws Exception {
        if (program == ProgramKind.NATIVE) {
            MachineNeeds.nativeLibrary();
        }
        var weights = program == ProgramKind.NATIVE ? Precision.AUTO : EXACT;
        var options = new DecoderOptions(weights, EXACT, 3, contextLength, 1, "cpu", false);
        return TinyLlama.load(golden.file(), directory, options, program);
    }

    /// bfloat16 weights and cache; the figures are those of the exact model.
    @ParameterizedTest
    @MethodSource("goldensAndPrograms")
    void theDefaultIsClose(GoldenModel golden, ProgramKind program) throws Exception {
        try (var decoder = load(golden, program, Precision.AUTO, Precision.AUTO, false)) {
            var logits = decoder.prefillLogits(0, golden.ids(), 0);
            double distance = 0, length = 0;
            for (var i = 0; i < logits.length; i++) {
                distance += Math.pow(golden.logits()[i] - logits[i], 2);
                length += Math.pow(golden.logits()[i], 2);
            }
            assertEquals(0, Math.sqrt(distance / length), 0.05);
        }
    }

    /// Real ones are too small to show in so few layers. Here they are as large as what they are added to, in
    /// each kind of norm.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "Qwen 3",
                "OLMo 2",
                "Qwen 3.5 with experts",
                "Gemma 4, shared keys and a second embedding",
                "Gemma 4 with experts"
            })
    void theEpsilonOfEveryNormCounts(String name) throws Exception {
        var golden = GoldenModel.named(name);
        golden.metadata().put(golden.architecture() + ".attention.layer_norm_rms_epsilon", 0.3);
        double[] expected;
        try (var model = Gguf.open(golden.file().write(directory.resolve("tiny.gguf")))) {
            var config = Architectures.describe(model);
            assertEquals(0.3f, config.epsilon());
            expected = new NaiveModel(model, config.forContext(config.contextLength())).logits(golden.ids());
        }
        for (var program : programs(golden).toList()) {
            var exact = program != ProgramKind.NATIVE;
            try (var decoder = load(golden, program, exact ? EXACT : Precision.AUTO, EXACT, false)) {
                var logits = decoder.prefillLogits(0, golden.ids(), 0);
                for (var i = 0; i < logits.length; i++) {
                    assertEquals(expected[i], logits[i], exact ? 1e-3 : NATIVE_TOLERANCE, program + ", logit " + i);
                }
            }
        }
    }

    /// Of so many sequences that are the same.
    private static int[] greedy(TorchDecoder decoder, GoldenModel golden, int rows) {
        var sampling = SamplingParameters.greedy();
        var ids = new int[golden.greedy().length];
        for (var slot = 0; slot < rows; slot++) {
            ids[0] = decoder.prefillLast(slot, golden.ids(), 0, sampling);
        }
        var batch = new DecodeBatch(rows);
        for (var i = 1; i < ids.length; i++) {
            batch.clear();
            for (var row = 0; row < rows; row++) {
                batch.add(ids[i - 1], golden.ids().length + i - 1, sampling);
            }
            var next = decoder.decode(batch, 1);
            ids[i] = next[0];
            assertTrue(IntStream.of(next).allMatch(id -> id == next[0]), () -> Arrays.toString(next));
        }
        return ids;
    }

    private TorchDecoder load(
            GoldenModel golden, ProgramKind program, Precision weights, Precision cache, boolean deterministic)
            throws Exception {
        if (program == ProgramKind.NATIVE) {
            MachineNeeds.nativeLibrary();
        }
        var options = new DecoderOptions(weights, cache, 3, 0, 1, "cpu", deterministic);
        return TinyLlama.load(golden.file(), directory, options, program);
    }

    /// The second embedding takes more than any other tensor with its copies. It is not unpacked on its way.
    @Test
    void theSecondEmbeddingTakesItsOwnBytesWhileItIsLoaded() throws Exception {
        var wide = layerInputsOf(128);
        var half = wide.file().replace(LAYER_EMBEDDING, TensorType.F16, new byte[2 * 768 * 96], 768, 96);
        assertEquals(2 * 768 * 96, workingBytes(wide.file()) - workingBytes(half));
    }

    private long workingBytes(GgufFile file) throws Exception {
        try (var model = Gguf.open(file.write(directory.resolve("tiny.gguf")))) {
            return ModelSummary.of(model, DecoderOptions.cpu(1)).memory().working();
        }
    }

    @Test
    void aScaleOfTheSecondEmbeddingThatIsNotANumberIsRefused() throws Exception {
        MachineNeeds.nativeLibrary();
        var blocks = ByteBuffer.allocate(192 * 96 / 32 * 34).order(ByteOrder.LITTLE_ENDIAN);
        blocks.putShort(7 * 34, (short) 0x7E00);
        var file = layerInputsOf(32).file().replace(LAYER_EMBEDDING, TensorType.Q8_0, blocks.array(), 192, 96);
        for (var program : List.of(ProgramKind.DENSE, ProgramKind.NATIVE)) {
            var weights = program == ProgramKind.NATIVE ? Precision.AUTO : EXACT;
            var options = new DecoderOptions(weights, EXACT, 1, 0, 1, "cpu", false);
            var refused =
                    assertThrows(ModelFileException.class, () -> TinyLlama.load(file, directory, options, program));
            assertEquals(
                    "tiny.gguf: tensor " + LAYER_EMBEDDING + " has a scale of NaN in block 7; expected finite numbers",
                    refused.getMessage());
        }
    }

    /// @param values of the second embedding that each of the six layers takes, in blocks of 32
    private static GoldenModel layerInputsOf(int values) throws IOException {
        var golden = GoldenModel.named("Gemma 4, shared keys and a second embedding");
        golden.metadata().put("gemma4.embedding_length_per_layer_input", values);
        golden.tensors().put(LAYER_EMBEDDING, new double[] {0, 1, 6 * values, 96});
        golden.tensors().put("per_layer_model_proj.weight", new double[] {0, 0.25, 48, 6 * values});
        golden.tensors().put("per_layer_proj_norm.weight", new double[] {1, 0.5, values});
        golden.tensors().put("blk.{6}.inp_gate.weight", new double[] {0, 0.25, 48, values});
        golden.tensors().put("blk.{6}.proj.weight", new double[] {0, 0.25, values, 48});
        return golden;
    }

    @ParameterizedTest
    @ValueSource(floats = {Float.MIN_VALUE, 1, -1e30f, Float.NaN, Float.NEGATIVE_INFINITY})
    void aDecayWithWhichAStateGrowsOrOverflowsIsRefused(float decay) throws Exception {
        var file = GoldenModel.named("Qwen 3.5")
                .file()
                .replace("blk.1.ssm_a", TensorType.F32, GgufFile.floats(-1, -0.0f, decay, -1), 4);
        var options = new DecoderOptions(EXACT, EXACT, 1, 0, 1, "cpu", false);
        var refused = assertThrows(
                ModelFileException.class, () -> TinyLlama.load(file, directory, options, ProgramKind.DENSE));
        assertEquals(
                "tiny.gguf: tensor blk.1.ssm_a has " + decay
                        + " at element 2; expected more than -1.0E30 and at most 0.0",
                refused.getMessage());
    }

    @Test
    void oneMatrixOfQueriesKeysAndValuesIsNotTakenForOneWithGates() throws Exception {
        var golden = GoldenModel.named("Qwen 3.5");
        var queries = golden.tensors().keySet().stream()
                .filter(name -> name.endsWith("attn_q.weight"))
                .findFirst()
                .orElseThrow();
        var file = golden.file().floats(queries.replace("attn_q.", "attn_qkv."), new float[64], 64);
        var options = new DecoderOptions(EXACT, EXACT, 1, 0, 1, "cpu", false);
        var refused = assertThrows(
                ModelFileException.class, () -> TinyLlama.load(file, directory, options, ProgramKind.DENSE));
        assertEquals(
                "tiny.gguf: tensor " + queries.replace("attn_q.", "attn_qkv.")
                        + " is not of a qwen35 model as it is supported",
                refused.getMessage());
    }

    private static Stream<Arguments> goldensAndPrograms() throws IOException {
        return goldens().stream().flatMap(golden -> programs(golden).map(program -> Arguments.of(golden, program)));
    }

    private static Stream<ProgramKind> programs(GoldenModel golden) {
        var architecture = (String) golden.metadata().get("general.architecture");
        var programs = Stream.of(ProgramKind.DENSE);
        if (Set.of("llama", "qwen2", "qwen3").contains(architecture)
                && !golden.name().matches("Mixtral|.*(biases|YaRN).*")) {
            programs = Stream.concat(programs, Stream.of(ProgramKind.QUANTISED));
        }
        // It takes heads of a multiple of 8 values.
        return golden.name().equals("Phi 4") ? programs : Stream.concat(programs, Stream.of(ProgramKind.NATIVE));
    }

    private static List<GoldenModel> goldens() throws IOException {
        return GoldenModel.all();
    }
}
