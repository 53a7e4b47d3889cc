package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.architecture.Architectures;
import dev.llmworker.model.device.Precision;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.weights.Gguf;
import dev.llmworker.weights.GgufFile;
import dev.llmworker.weights.content.TensorType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Files whose tensors are of several types, against plain loops over the same numbers. Each tensor is read in the type
/// that it has.
@Concurrent
class MixedTypesTest {
    private static final double EXACT = 1e-4;
    /// The native program rounds activations to 16 bits, and scales of the K formats to float16.
    private static final double NATIVE = 6e-3;

    private static final int PROMPT_TOKENS = 12;
    private static final String LAYERS = "blk\\.\\d+\\.";
    private static final List<TensorType> PLAIN = List.of(TensorType.F32, TensorType.F16, TensorType.BF16);

    @TempDir
    private Path directory;

    /// What gpt-oss is published in: by ggml-org, and by Unsloth, whose matrices fall back to blocks of 32 elements
    /// where a row is no multiple of 256. The routers are F32 in all of them.
    private enum GptOssFile {
        GGML_ORG(Map.of(LAYERS + "attn_(q|k|v|output)|output|token_embd", TensorType.Q8_0)),
        UNSLOTH_F16(Map.of(LAYERS + "attn_(q|k|v|output)|output|token_embd", TensorType.F16)),
        UNSLOTH_BF16(Map.of(LAYERS + "attn_(q|k|v|output)|output|token_embd", TensorType.BF16)),
        /// Of the layers, some have more bits for values.
        UNSLOTH_Q4_K_M(Map.of(
                LAYERS + "attn_(q|k)|blk\\.0\\.attn_v|token_embd",
                TensorType.Q5_0,
                "blk\\.1\\.attn_v|output",
                TensorType.Q8_0,
                LAYERS + "attn_output",
                TensorType.Q4_K)),
        UNSLOTH_Q6_K(Map.of(
                LAYERS + "attn_(q|k|v)|token_embd|output", TensorType.Q8_0, LAYERS + "attn_output", TensorType.Q6_K)),
        BF16_ROUTERS(
                Map.of(LAYERS + "attn_(q|k|v|output)|output|token_embd|" + LAYERS + "ffn_gate_inp", TensorType.BF16)),
        BF16_GATES(Map.of(
                LAYERS + "(attn_(q|k|v|output)|ffn_gate_exps)|output",
                TensorType.BF16,
                LAYERS + "ffn_up_exps",
                TensorType.Q8_0));

        private final Map<String, TensorType> types;

        GptOssFile(Map<String, TensorType> types) {
            this.types = types;
        }

        TensorType type(String name) {
            return types.entrySet().stream()
                    .filter(entry -> name.matches("(" + entry.getKey() + ")\\.weight"))
                    .map(Map.Entry::getValue)
                    .findFirst()
                    .orElse(name.endsWith("_exps.weight") ? TensorType.MXFP4 : TensorType.F32);
        }
    }

    @ParameterizedTest
    @EnumSource
    void filesOfGptOssRun(GptOssFile file) throws Exception {
        assertRuns(wideHeads(), file::type, 5);
    }

    /// Any tensor may be of any type that it has room for, also in the same layer.
    @ParameterizedTest
    @MethodSource
    void anyTensorIsOfAnyType(String name, long seed) throws Exception {
        var random = new Random(seed);
        assertRuns(GoldenModel.named(name), _ -> one(Arrays.asList(TensorType.values()), random), seed);
    }

    private static Stream<Arguments> anyTensorIsOfAnyType() {
        return Stream.of(
                Arguments.of("Llama 3 in BF16, tied", 1L),
                Arguments.of("Llama with biases", 2L),
                Arguments.of("Qwen 3.5 with experts", 3L),
                Arguments.of("Gemma 4, shared keys and a second embedding", 4L),
                Arguments.of("Gemma 4 with experts", 5L),
                Arguments.of("Phi 3.5, long", 6L),
                Arguments.of("gpt-oss", 7L),
                Arguments.of("Mixtral", 8L));
    }

    /// As in files of Q4_K_M, some matrices of which stay in BF16.
    @ParameterizedTest
    @EnumSource
    void matricesOfPlainNumbersStandBesideBlocks(ProgramKind program) throws Exception {
        for (var seed = 20; seed < 24; seed++) {
            var random = new Random(seed);
            var types = Stream.concat(
                            PLAIN.stream(),
                            Stream.of(TensorType.Q4_K, TensorType.Q6_K, TensorType.Q5_K, TensorType.Q8_0))
                    .toList();
            var tiny = TinyLlama.mixed(_ -> one(types, random), random);
            try (var decoder = tiny.load(directory, options(program), program)) {
                // The quantised program rounds to bfloat16.
                var tolerance = program == ProgramKind.QUANTISED ? 0.08 : NATIVE;
                DecoderFormatsTest.assertPrefillAndDecode(tiny, decoder, tolerance, "seed " + seed);
            }
        }
    }

    /// As in files of UD-Q4_K_XL and UD-Q2_K_XL: queries, keys and values are parts of one matrix, each of its own
    /// type.
    @ParameterizedTest
    @EnumSource
    void everyMatrixOfALayerMayHaveItsOwnTypeOfBlocks(ProgramKind program) throws Exception {
        for (var seed = 30; seed < 32; seed++) {
            var random = new Random(seed);
            var types = Arrays.stream(TensorType.values())
                    .filter(type -> type.blockElements() > 1 || type == TensorType.BF16)
                    .toList();
            var tiny = TinyLlama.mixed(_ -> one(types, random), random);
            try (var decoder = tiny.load(directory, options(program), program)) {
                var tolerance = program == ProgramKind.QUANTISED ? 0.08 : NATIVE;
                DecoderFormatsTest.assertPrefillAndDecode(tiny, decoder, tolerance, "seed " + seed);
            }
        }
    }

    /// Of four layers, the experts of the first have tensors of their own, and those of the second one for gates and
    /// values.
    @Test
    void theExpertsOfEachLayerHaveAFormOfTheirOwn() throws Exception {
        var golden = GoldenModel.named("Qwen 3.5 with experts");
        var file = golden.metadataOnly();
        var tensors = GoldenWeights.of(golden.tensors()).stream()
                .collect(Collectors.toMap(GoldenWeights::name, Function.identity()));
        for (var part : List.of("gate", "up", "down")) {
            addSeparate(file, Objects.requireNonNull(tensors.remove("blk.0.ffn_" + part + "_exps.weight")));
        }
        addJoined(
                file,
                Objects.requireNonNull(tensors.remove("blk.1.ffn_gate_exps.weight")),
                Objects.requireNonNull(tensors.remove("blk.1.ffn_up_exps.weight")));
        tensors.values().forEach(tensor -> file.floats(tensor.name(), tensor.values(), tensor.shape()));
        assertLogits(golden, file);
    }

    private static void addSeparate(GgufFile file, GoldenWeights experts) {
        var shape = experts.shape();
        var size = (int) (shape[0] * shape[1]);
        for (var expert = 0; expert < shape[2]; expert++) {
            var own = Arrays.copyOfRange(experts.values(), expert * size, (expert + 1) * size);
            file.floats(experts.name().replace("_exps", "." + expert), own, shape[0], shape[1]);
        }
    }

    private static void addJoined(GgufFile file, GoldenWeights gates, GoldenWeights values) {
        var shape = gates.shape();
        var size = (int) (shape[0] * shape[1]);
        var joined = new float[2 * size * (int) shape[2]];
        for (var expert = 0; expert < shape[2]; expert++) {
            System.arraycopy(gates.values(), expert * size, joined, 2 * expert * size, size);
            System.arraycopy(values.values(), expert * size, joined, (2 * expert + 1) * size, size);
        }
        file.floats(gates.name().replace("gate", "gate_up"), joined, shape[0], 2 * shape[1], shape[2]);
    }

    /// Which layers have experts is seen by their tensors.
    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2})
    void aLayerWithoutExpertsStandsBesideOthers(int layer) throws Exception {
        var golden = GoldenModel.named("Gemma 4 with experts");
        var all = GoldenWeights.of(golden.tensors());
        golden.tensors().clear();
        for (var tensor : all) {
            if (!tensor.name().matches("blk\\." + layer + "\\.(ffn_gate_inp\\.|.*_exps|.*_ffw_norm_[12]).*")) {
                var described = DoubleStream.concat(
                        DoubleStream.of(tensor.base(), tensor.scale()),
                        Arrays.stream(tensor.shape()).asDoubleStream());
                golden.tensors().put(tensor.name(), described.toArray());
            }
        }
        assertRuns(golden, _ -> TensorType.F32, layer);
    }

    private void assertLogits(GoldenModel golden, GgufFile file) throws Exception {
        for (var program : List.of(ProgramKind.DENSE, ProgramKind.NATIVE)) {
            try (var decoder = TinyLlama.load(file, directory, options(program), program)) {
                var found = decoder.prefillLogits(0, golden.ids(), 0);
                assertDistance(
                        doubles(golden.logits()), found, program == ProgramKind.NATIVE ? NATIVE : EXACT, program);
            }
        }
    }

    /// gpt-oss with heads whose results are rows of whole blocks of 256 elements.
    private static GoldenModel wideHeads() throws Exception {
        var golden = GoldenModel.named("gpt-oss");
        for (var kind : List.of("key", "value")) {
            golden.metadata().put("gpt-oss.attention." + kind + "_length", 64);
        }
        var shapes = golden.tensors();
        shapes.put("blk.{2}.attn_q.weight", new double[] {0, 0.25, 64, 256});
        shapes.put("blk.{2}.attn_k.weight", new double[] {0, 0.25, 64, 128});
        shapes.put("blk.{2}.attn_v.weight", new double[] {0, 0.25, 64, 128});
        shapes.put("blk.{2}.attn_output.weight", new double[] {0, 0.125, 256, 64});
        shapes.put("blk.{2}.attn_q.bias", new double[] {0, 0.5, 256});
        shapes.put("blk.{2}.attn_k.bias", new double[] {0, 0.5, 128});
        shapes.put("blk.{2}.attn_v.bias", new double[] {0, 0.5, 128});
        return golden;
    }

    private static <T> T one(List<T> of, Random random) {
        return of.get(random.nextInt(of.size()));
    }

    private void assertRuns(GoldenModel golden, Function<String, TensorType> types, long seed) throws Exception {
        var random = new Random(seed);
        var file = golden.metadataOnly();
        for (var tensor : GoldenWeights.of(golden.tensors())) {
            put(file, tensor, types.apply(tensor.name()), random);
        }
        golden.factors().forEach((name, values) -> {
            var type = one(PLAIN, random);
            file.tensor(name, type, plain(type, values), values.length);
        });
        var ids = Arrays.copyOf(golden.ids(), PROMPT_TOKENS);
        double[] expected;
        try (var model = Gguf.open(file.write(directory.resolve("mixed.gguf")))) {
            var config = Architectures.describe(model);
            expected = new NaiveModel(model, config.forContext(config.contextLength())).logits(ids);
        }
        for (var program : List.of(ProgramKind.DENSE, ProgramKind.NATIVE)) {
            try (var decoder = TinyLlama.load(file, directory, options(program), program)) {
                var found = decoder.prefillLogits(0, ids, 0);
                assertDistance(expected, found, program == ProgramKind.NATIVE ? NATIVE : EXACT, program);
            }
        }
    }

    /// @param wanted F16 takes its place if a row is not a whole number of its blocks, or if it is for matrices alone
    private static void put(GgufFile file, GoldenWeights tensor, TensorType wanted, Random random) {
        var shape = tensor.shape();
        var isMatrix =
                shape.length > 1 && shape[1] > 1 && !tensor.name().matches(".*(\\.bias|\\.scale|ssm_conv1d\\.weight)");
        var fits = isMatrix && shape[0] % wanted.blockElements() == 0;
        var type = wanted.blockElements() == 1 || fits ? wanted : TensorType.F16;
        var values = tensor.values();
        var data = type.blockElements() == 1
                ? plain(type, values)
                : new RandomBlocks(random).fill(type, tensor.scale() / (float) Math.sqrt(3), values);
        file.tensor(tensor.name(), type, data, shape);
    }

    private static byte[] plain(TensorType type, float[] values) {
        var bytes = ByteBuffer.allocate(values.length * type.blockBytes()).order(ByteOrder.LITTLE_ENDIAN);
        for (var value : values) {
            switch (type) {
                case F32 -> bytes.putFloat(value);
                case F16 -> bytes.putShort(Float.floatToFloat16(value));
                case BF16 -> bytes.putShort((short) (Float.floatToRawIntBits(value) >>> Short.SIZE));
                default -> throw new IllegalArgumentException(type + " has blocks");
            }
        }
        return bytes.array();
    }

    private static DecoderOptions options(ProgramKind program) throws InterruptedException {
        if (program == ProgramKind.NATIVE) {
            MachineNeeds.nativeLibrary();
        }
        var weights = program == ProgramKind.DENSE ? Precision.FP32 : Precision.AUTO;
        return new DecoderOptions(weights, Precision.FP32, 3, 128, 1, "cpu", false);
    }

    private static double[] doubles(float[] values) {
        var doubles = new double[values.length];
        for (var i = 0; i < values.length; i++) {
            doubles[i] = values[i];
        }
        return doubles;
    }

    /// @param tolerance of the logits' distance, as a part of their length
    private static void assertDistance(double[] expected, float[] found, double tolerance, ProgramKind program) {
        double distance = 0, length = 0;
        for (var i = 0; i < expected.length; i++) {
            distance += Math.pow(expected[i] - found[i], 2);
            length += Math.pow(expected[i], 2);
        }
        assertEquals(0, Math.sqrt(distance / length), tolerance, program.toString());
    }
}
