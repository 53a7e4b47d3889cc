package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.architecture.Architectures;
import dev.llmworker.model.device.Precision;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.weights.SafetensorsFile;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.TensorType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Folders as transformers saves them, against its figures in float32, which `golden_architectures.py` writes.
@Concurrent
class GoldenSafetensorsTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    static final float NATIVE_TOLERANCE = 0.03f;
    private static final float[] FLOATS_OF_4_BITS = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};

    private record Golden(
            String name,
            Map<String, Object> config,
            TensorType dtype,
            Map<String, double[]> tensors,
            int[] ids,
            int[] greedy,
            float[] logits) {
        @Override
        public String toString() {
            return name;
        }
    }

    @TempDir
    private Path directory;

    @ParameterizedTest
    @MethodSource("goldens")
    void aSingleFileGivesTheTokensAndLogitsOfTransformers(Golden golden) throws Exception {
        write(golden);
        try (var model = StoredModel.open(directory)) {
            var config = Architectures.describe(model);
            var logits = new NaiveModel(model, config.forContext(config.contextLength())).logits(golden.ids());
            for (var i = 0; i < logits.length; i++) {
                assertEquals(golden.logits()[i], logits[i], 1e-3);
            }
        }
        assertGolden(golden, directory.resolve("model.safetensors"));
    }

    private void write(Golden golden) throws IOException {
        config(golden);
        var file = new SafetensorsFile().metadata(Map.of("format", "pt"));
        for (var tensor : GoldenWeights.of(golden.tensors())) {
            add(file, golden, tensor);
        }
        file.write(directory.resolve("model.safetensors"));
    }

    /// The weights are those of the file. The native program rounds activations to 16 bits.
    @ParameterizedTest
    @MethodSource("nativeGoldens")
    void theNativeProgramGivesTheTokensAndLogitsOfTransformers(Golden golden) throws Exception {
        MachineNeeds.nativeLibrary();
        write(golden);
        var options = new DecoderOptions(Precision.AUTO, Precision.FP32, 1, 0, 1, "cpu", true);
        try (var model = StoredModel.open(directory);
                var decoder = TorchDecoder.load(model, options, _ -> {})) {
            assertTrue(decoder.description().weightFormat().startsWith("native"));
            assertArrayEquals(golden.logits(), decoder.prefillLogits(0, golden.ids(), 0), NATIVE_TOLERANCE);
            assertArrayEquals(golden.greedy(), greedy(decoder, golden.ids(), golden.greedy().length));
        }
    }

    @Test
    void severalFilesGiveTheTokensAndLogitsOfTransformers() throws Exception {
        var golden = goldens().getFirst();
        config(golden);
        var shards = List.of(new SafetensorsFile(), new SafetensorsFile(), new SafetensorsFile());
        var places = new LinkedHashMap<String, String>();
        var tensors = GoldenWeights.of(golden.tensors());
        for (var i = 0; i < tensors.size(); i++) {
            add(shards.get(i % shards.size()), golden, tensors.get(i));
            places.put(tensors.get(i).name(), shardName(i % shards.size()));
        }
        for (var i = 0; i < shards.size(); i++) {
            shards.get(i).write(directory.resolve(shardName(i)));
        }
        Files.writeString(
                directory.resolve("model.safetensors.index.json"),
                JSON.writeValueAsString(Map.of("metadata", Map.of("total_size", 1), "weight_map", places)));
        assertGolden(golden, directory);
        // One of them stands for all.
        assertGolden(golden, directory.resolve(shardName(1)));
    }

    /// As the files of these have it: the text model within one that sees, and layers that predict further
    /// tokens.
    @ParameterizedTest
    @ValueSource(strings = {"Gemma 3", "Qwen 3.5", "Qwen 3.5 with experts"})
    void theTextModelIsTakenOutOfOneThatSees(String name) throws Exception {
        var golden = golden(name);
        Files.writeString(
                directory.resolve("config.json"),
                JSON.writeValueAsString(Map.of(
                        "architectures", List.of("SomeForConditionalGeneration"), "text_config", golden.config())));
        var file = new SafetensorsFile();
        for (var tensor : GoldenWeights.of(golden.tensors())) {
            var within = tensor.name().replaceFirst("model", "model.language_model");
            file.tensor(within, golden.dtype(), tensor.values(), tensor.shape());
        }
        file.declare("model.vision_tower.patch.weight", "F64", List.of(file.dataBytes(), file.dataBytes() + 8), 1);
        file.append(new byte[8]);
        file.declare("mtp.layers.0.fc.weight", "F64", List.of(file.dataBytes(), file.dataBytes() + 8), 1);
        file.append(new byte[8]);
        file.write(directory.resolve("model.safetensors"));
        assertGolden(golden, directory);
    }

    /// Some tools leave matrices as they are. Each is read in the order that its own type has: here the first layer's
    /// last matrices and the second one's gates and values, as the numbers that MXFP4 stands for.
    @ParameterizedTest
    @EnumSource(
            value = TensorType.class,
            names = {"F32", "F16", "BF16"})
    void matricesOfGptOssMayStandBesideMxfp4(TensorType type) throws Exception {
        var golden = golden("gpt-oss in MXFP4");
        config(golden);
        var file = new SafetensorsFile();
        var tensors = GoldenWeights.of(golden.tensors()).stream()
                .collect(Collectors.toMap(GoldenWeights::name, Function.identity()));
        var plain = List.of("model.layers.0.mlp.experts.down_proj", "model.layers.1.mlp.experts.gate_up_proj");
        for (var name : plain) {
            addUnpacked(
                    file,
                    type,
                    name,
                    Objects.requireNonNull(tensors.remove(name + "_blocks")),
                    Objects.requireNonNull(tensors.remove(name + "_scales")));
        }
        tensors.values().forEach(tensor -> add(file, golden, tensor));
        file.write(directory.resolve("model.safetensors"));
        assertGolden(golden, directory);
    }

    /// @param type holds the values exactly
    private static void addUnpacked(
            SafetensorsFile file, TensorType type, String name, GoldenWeights quants, GoldenWeights scales) {
        int experts = (int) quants.shape()[0], rows = (int) quants.shape()[1], columns = (int) quants.shape()[2] * 32;
        byte[] pairs = quants.bytes(), exponents = scales.bytes();
        var values = new float[experts * rows * columns];
        for (var i = 0; i < values.length; i++) {
            var bits = Byte.toUnsignedInt(pairs[i / 2]) >>> 4 * (i % 2) & 15;
            var value = FLOATS_OF_4_BITS[bits & 7] * (bits > 7 ? -1 : 1);
            int expert = i / (rows * columns), row = i / columns % rows, column = i % columns;
            values[(expert * columns + column) * rows + row] = Math.scalb(value, (exponents[i / 32] & 255) - 127);
        }
        file.tensor(name, type, values, experts, columns, rows);
    }

    /// Parts of BF16 models in other plain types, which hold the same numbers.
    @ParameterizedTest
    @ValueSource(strings = {"Llama 3 in BF16, tied", "Qwen 3.5, tied, as many key heads as value heads"})
    void eachTensorIsOfATypeOfItsOwn(String name) throws Exception {
        var golden = golden(name);
        config(golden);
        var file = new SafetensorsFile();
        var count = 0;
        for (var tensor : GoldenWeights.of(golden.tensors())) {
            var values = tensor.values();
            if (count++ % 2 == 0) {
                for (var i = 0; i < values.length; i++) {
                    var bits = Float.floatToRawIntBits(values[i]);
                    values[i] = Float.intBitsToFloat(bits + 0x7FFF + (bits >>> 16 & 1) & 0xFFFF0000);
                }
            }
            file.tensor(tensor.name(), count % 2 == 1 ? TensorType.F32 : TensorType.BF16, values, tensor.shape());
        }
        file.write(directory.resolve("model.safetensors"));
        assertGolden(golden, directory);
    }

    /// The most that is allowed makes a state fade at once.
    @ParameterizedTest
    @ValueSource(floats = {80.5f, Float.POSITIVE_INFINITY, Float.NaN, Float.NEGATIVE_INFINITY, 80})
    void aLogarithmOfADecayIsBounded(float logarithm) throws Exception {
        var golden = golden("Qwen 3.5");
        config(golden);
        var file = new SafetensorsFile();
        var name = "model.layers.1.linear_attn.A_log";
        for (var tensor : GoldenWeights.of(golden.tensors())) {
            if (!tensor.name().equals(name)) {
                add(file, golden, tensor);
            }
        }
        file.tensor(name, TensorType.BF16, new float[] {0, -3, logarithm, 1}, 4);
        file.write(directory.resolve("model.safetensors"));
        if (logarithm == 80) {
            try (var decoder = load(directory)) {
                for (var logit : decoder.prefillLogits(0, golden.ids(), 0)) {
                    assertTrue(Float.isFinite(logit));
                }
            }
            return;
        }
        var refused = assertThrows(ModelFileException.class, () -> load(directory));
        assertEquals(
                "model.safetensors: tensor " + name + " has " + logarithm
                        + " at element 2; expected more than -Infinity and at most 80.0",
                refused.getMessage());
    }

    private static Golden golden(String name) throws IOException {
        return goldens().stream()
                .filter(one -> one.name().equals(name))
                .findFirst()
                .orElseThrow();
    }

    private static String shardName(int i) {
        return "model-0000%d-of-00003.safetensors".formatted(i + 1);
    }

    private void config(Golden golden) throws IOException {
        Files.writeString(directory.resolve("config.json"), JSON.writeValueAsString(golden.config()));
    }

    private static void add(SafetensorsFile file, Golden golden, GoldenWeights tensor) {
        if (tensor.name().matches(".*_(blocks|scales)")) {
            file.bytes(tensor.name(), tensor.bytes(), tensor.shape());
        } else {
            file.tensor(tensor.name(), golden.dtype(), tensor.values(), tensor.shape());
        }
    }

    private static void assertGolden(Golden golden, Path path) throws Exception {
        try (var decoder = load(path)) {
            assertArrayEquals(golden.logits(), decoder.prefillLogits(0, golden.ids(), 0), 1e-3f);
            assertArrayEquals(golden.greedy(), greedy(decoder, golden.ids(), golden.greedy().length));
        }
    }

    static TorchDecoder load(Path path) throws IOException, InterruptedException {
        try (var model = StoredModel.open(path)) {
            var options = new DecoderOptions(Precision.FP32, Precision.AUTO, 1, 0, 1, "cpu", false);
            return TorchDecoder.load(model, options, _ -> {});
        }
    }

    /// The most likely tokens after a prompt.
    static int[] greedy(TorchDecoder decoder, int[] prompt, int count) {
        var sampling = SamplingParameters.greedy();
        var ids = new int[count];
        ids[0] = decoder.prefillLast(0, prompt, 0, sampling);
        var batch = new DecodeBatch(1);
        for (var i = 1; i < ids.length; i++) {
            batch.clear();
            batch.add(ids[i - 1], prompt.length + i - 1, sampling);
            ids[i] = decoder.decode(batch, 1)[0];
        }
        return ids;
    }

    /// Those whose heads have a multiple of 8 values.
    private static List<Golden> nativeGoldens() throws IOException {
        var others = Set.of("Phi 4", "Gemma 4 by defaults, in BF16");
        return goldens().stream().filter(one -> !others.contains(one.name())).toList();
    }

    private static List<Golden> goldens() throws IOException {
        try (var stream = GoldenSafetensorsTest.class.getResourceAsStream("/golden/safetensors.json")) {
            return List.of(JSON.readValue(stream, Golden[].class));
        }
    }
}
