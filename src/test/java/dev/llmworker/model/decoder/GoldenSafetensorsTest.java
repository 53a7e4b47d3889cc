package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.Precision;
import dev.llmworker.model.architecture.Architectures;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.weights.ModelFileException;
import dev.llmworker.weights.SafetensorsFile;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.TensorType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Folders as transformers saves them, against its figures in float32, which `golden_architectures.py` writes.
class GoldenSafetensorsTest {
    private static final ObjectMapper JSON = new ObjectMapper();

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

    @Concurrent
    @ParameterizedTest
    @MethodSource("goldens")
    void aSingleFileGivesTheTokensAndLogitsOfTransformers(Golden golden) throws Exception {
        config(golden);
        var file = new SafetensorsFile().metadata(Map.of("format", "pt"));
        for (var tensor : GoldenWeights.of(golden.tensors())) {
            add(file, golden, tensor);
        }
        file.write(directory.resolve("model.safetensors"));
        try (var model = StoredModel.open(directory)) {
            var config = Architectures.describe(model);
            var logits = new NaiveModel(model, config.forContext(config.contextLength())).logits(golden.ids());
            for (var i = 0; i < logits.length; i++) {
                assertEquals(golden.logits()[i], logits[i], 1e-3);
            }
        }
        assertGolden(golden, directory.resolve("model.safetensors"));
    }

    @Concurrent
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
    @Concurrent
    @ParameterizedTest
    @ValueSource(strings = {"Gemma 3", "Qwen 3.5", "Qwen 3.5 with experts"})
    void theTextModelIsTakenOutOfOneThatSees(String name) throws Exception {
        var golden = goldens().stream()
                .filter(one -> one.name().equals(name))
                .findFirst()
                .orElseThrow();
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

    /// Some quantisers leave matrices as they are. Each is read in the order that its own type has.
    @Concurrent
    @Test
    void matricesOfGptOssBesideMxfp4AreNotReadInItsOrder() throws Exception {
        var golden = goldens().stream()
                .filter(one -> one.name().equals("gpt-oss in MXFP4"))
                .findFirst()
                .orElseThrow();
        config(golden);
        var file = new SafetensorsFile();
        var down = "model.layers.0.mlp.experts.down_proj";
        for (var tensor : GoldenWeights.of(golden.tensors())) {
            if (!tensor.name().startsWith(down + "_blocks") && !tensor.name().startsWith(down + "_scales")) {
                add(file, golden, tensor);
            }
        }
        file.tensor(down, TensorType.BF16, new float[3 * 96 * 64], 3, 96, 64);
        file.write(directory.resolve("model.safetensors"));
        var refused = assertThrows(ModelFileException.class, () -> load(directory));
        assertEquals(
                "model.safetensors: tensor " + down + " is not of a gpt-oss model as it is supported",
                refused.getMessage());
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
            assertArrayEquals(golden.greedy(), greedy(decoder, golden));
        }
    }

    private static TorchDecoder load(Path path) throws IOException, InterruptedException {
        try (var model = StoredModel.open(path)) {
            var options = new DecoderOptions(Precision.FP32, Precision.AUTO, 1, 0, 1, "cpu", false);
            return TorchDecoder.load(model, options, _ -> {});
        }
    }

    private static int[] greedy(TorchDecoder decoder, Golden golden) {
        var sampling = SamplingParameters.greedy();
        var ids = new int[golden.greedy().length];
        ids[0] = decoder.prefillLast(0, golden.ids(), 0, sampling);
        var batch = new DecodeBatch(1);
        for (var i = 1; i < ids.length; i++) {
            batch.clear();
            batch.add(ids[i - 1], golden.ids().length + i - 1, sampling);
            ids[i] = decoder.decode(batch, 1)[0];
        }
        return ids;
    }

    private static List<Golden> goldens() throws IOException {
        try (var stream = GoldenSafetensorsTest.class.getResourceAsStream("/golden/safetensors.json")) {
            return List.of(JSON.readValue(stream, Golden[].class));
        }
    }
}
