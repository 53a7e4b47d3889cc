package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.Pooling;
import dev.llmworker.model.architecture.Architectures;
import dev.llmworker.model.device.Precision;
import dev.llmworker.stats.Stages;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.TensorType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/// Vectors of tiny models against those of transformers in float32, which `golden_architectures.py` writes: as GGUF
/// files that llama.cpp's converter would write, and as folders that sentence-transformers saves.
@Concurrent
class GoldenVectorsTest {
    private static final ObjectMapper JSON = JsonMapper.builder()
            .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .build();
    private static final double LEAST_COSINE = 0.9999;

    @TempDir
    private Path directory;

    /// @param metadata of a GGUF file; null for a folder, which has a config
    private record Golden(
            String name,
            @Nullable Map<String, Object> metadata,
            @Nullable Map<String, Object> config,
            @Nullable TensorType dtype,
            Map<String, double[]> tensors,
            int[][] texts,
            List<Integer> answers,
            float[][] vectors) {
        @Override
        public String toString() {
            return name + (metadata == null ? ", folder" : ", GGUF");
        }

        boolean isRanked() {
            return !answers.isEmpty();
        }
    }

    private static List<Golden> goldens() throws IOException {
        try (var stream = GoldenVectorsTest.class.getResourceAsStream("/golden/vectors.json")) {
            return List.of(JSON.readValue(stream, Golden[].class));
        }
    }

    private static Golden golden(String name) throws IOException {
        return goldens().stream()
                .filter(golden -> golden.toString().equals(name))
                .findFirst()
                .orElseThrow();
    }

    private static Stream<Arguments> goldensAndPrograms() throws IOException {
        return goldens().stream()
                .flatMap(golden -> Stream.of(ProgramKind.values())
                        .filter(program -> program != ProgramKind.QUANTISED
                                || !golden.name().startsWith("Embedding"))
                        .map(program -> Arguments.of(golden, program)));
    }

    private Path write(Golden golden) throws IOException {
        if (golden.metadata() != null) {
            return new GoldenModel(
                            golden.name(),
                            golden.metadata(),
                            golden.tensors(),
                            Map.of(),
                            new int[0],
                            new int[0],
                            new float[0])
                    .file()
                    .write(directory.resolve("tiny.gguf"));
        }
        var mean = golden.name().contains("Gemma") || golden.name().contains("mean");
        return new GoldenFolder(directory, mean, !golden.isRanked())
                .write(
                        Objects.requireNonNull(golden.config()),
                        Objects.requireNonNull(golden.dtype()),
                        golden.tensors());
    }

    private static Pooling pooling(StoredModel model, Golden golden) throws ModelFileException {
        var kind = Pooling.kind(model);
        if (golden.isRanked()) {
            return new Pooling(false, golden.answers());
        }
        return new Pooling(kind.orElseThrow() == Pooling.Kind.MEAN, List.of());
    }

    /// The vectors of texts, each cut into chunks of this size.
    private static float[][] vectors(Encoder encoder, int[][] texts, int chunk) {
        var pooled = new float[texts.length][];
        for (var start = 0; start < 128; start += chunk) {
            var parts = new ArrayList<PromptPart>();
            var owners = new ArrayList<Integer>();
            for (var text = 0; text < texts.length; text++) {
                var ids = texts[text];
                if (start < ids.length) {
                    parts.add(new PromptPart(
                            text, Arrays.copyOfRange(ids, start, Math.min(ids.length, start + chunk)), start));
                    owners.add(text);
                }
            }
            if (parts.isEmpty()) {
                continue;
            }
            var found = encoder.encode(parts);
            for (var i = 0; i < found.length; i++) {
                var owner = owners.get(i);
                if (encoder.isMean() && pooled[owner] != null) {
                    for (var d = 0; d < found[i].length; d++) {
                        found[i][d] += pooled[owner][d];
                    }
                }
                pooled[owner] = found[i];
            }
        }
        for (var text = 0; encoder.isMean() && text < texts.length; text++) {
            for (var d = 0; d < pooled[text].length; d++) {
                pooled[text][d] /= texts[text].length;
            }
        }
        return encoder.project(pooled);
    }

    private static double cosine(float[] a, float[] b) {
        assertEquals(a.length, b.length);
        double product = 0, squares = 0, others = 0;
        for (var i = 0; i < a.length; i++) {
            product += (double) a[i] * b[i];
            squares += (double) a[i] * a[i];
            others += (double) b[i] * b[i];
        }
        return product / Math.sqrt(squares * others);
    }

    private static void assertClose(Golden golden, float[][] found) {
        for (var i = 0; i < found.length; i++) {
            if (golden.isRanked()) {
                assertArrayEquals(golden.vectors()[i], found[i], 0.02f);
            }
            var cosine = cosine(golden.vectors()[i], found[i]);
            assertTrue(cosine > LEAST_COSINE, golden + ": " + cosine);
        }
    }

    @ParameterizedTest
    @MethodSource("goldensAndPrograms")
    void vectorsAreThoseOfTransformers(Golden golden, ProgramKind program) throws Exception {
        if (program == ProgramKind.NATIVE) {
            MachineNeeds.nativeLibrary();
        }
        var isNative = program == ProgramKind.NATIVE;
        var weights = isNative ? Precision.AUTO : Precision.FP32;
        var options = new DecoderOptions(weights, Precision.FP32, 3, 0, 1, "cpu", false);
        try (var model = Architectures.open(write(golden));
                var decoder = TorchDecoder.load(
                        model, Architectures.describe(model), options, Device.cpu(), program, _ -> {}, new Stages())) {
            var encoder = decoder.encoder(model, pooling(model, golden));
            assertEquals(golden.vectors()[0].length, encoder.dimensions());
            var together = vectors(encoder, golden.texts(), 128);
            assertClose(golden, together);
            for (var i = 0; i < together.length; i++) {
                var alone = vectors(encoder, new int[][] {golden.texts()[i]}, 128)[0];
                if (isNative) {
                    assertArrayEquals(together[i], alone, 0);
                } else {
                    assertArrayEquals(together[i], alone, 1e-5f * scale(alone));
                }
            }
            if (encoder.takesWholeTexts()) {
                var cut = List.of(new PromptPart(0, new int[] {1}, 0), new PromptPart(0, new int[] {2}, 1));
                assertThrows(IllegalArgumentException.class, () -> encoder.encode(cut));
            } else {
                assertClose(golden, vectors(encoder, golden.texts(), 7));
            }
        }
    }

    private static float scale(float[] vector) {
        var largest = 1f;
        for (var value : vector) {
            largest = Math.max(largest, Math.abs(value));
        }
        return largest;
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            1_Pooling/config.json | {"pooling_mode_cls_token":true} | config.json: pooling_mode is [pooling_mode_cls_token]; \
            supported: mean or lasttoken
            1_Pooling/config.json | {"pooling_mode_mean_tokens":true,"pooling_mode_lasttoken":true} | config.json: \
            pooling_mode is [pooling_mode_mean_tokens, pooling_mode_lasttoken]; supported: mean or lasttoken
            2_Dense/config.json | {"bias":true} | config.json: bias is true or missing; supported: false
            2_Dense/config.json | {"activation_function":"torch.nn.modules.activation.Tanh","bias":false} | config.json: \
            activation_function is torch.nn.modules.activation.Tanh; supported: torch.nn.modules.linear.Identity
            modules.json | {} | modules.json: is not a JSON list
            modules.json | [{"path":"../x","type":"a.Dense"}] | modules.json: has the path "../x"; expected a folder beside it
            modules.json | [{"path":"1_LSTM","type":"sentence_transformers.models.LSTM"}] | modules.json: has the module \
            sentence_transformers.models.LSTM; supported: Transformer, Pooling, Dense, Normalize
            2_Dense/model.safetensors | | model.safetensors: does not exist
            """)
    void whatFollowsTheModelAndIsNotSupportedIsRefused(String file, @Nullable String content, String problem)
            throws Exception {
        var path = write(golden("EmbeddingGemma, folder"));
        if (content == null) {
            Files.delete(directory.resolve(file));
        } else {
            Files.writeString(directory.resolve(file), content);
        }
        var refused = assertThrows(
                ModelFileException.class, () -> StoredModel.open(path).close());
        assertEquals(problem, refused.getMessage());
    }

    @Test
    void aMatrixOfAnotherShapeIsRefused() throws Exception {
        var golden = golden("EmbeddingGemma, GGUF");
        golden.tensors().put("dense_3.weight", new double[] {0, 0.25, 32, 48});
        var path = write(golden);
        try (var model = StoredModel.open(path)) {
            var refused = assertThrows(
                    ModelFileException.class,
                    () -> TorchDecoder.load(model, DecoderOptions.cpu(1), _ -> {})
                            .close());
            assertEquals(
                    "tiny.gguf: tensor dense_3.weight has shape [32, 48]; the metadata asks for [48, 48] (columns first)",
                    refused.getMessage());
        }
    }

    @Test
    void aTextLongerThanAWindowOfTheNativeProgramSeesBothSides() throws Exception {
        MachineNeeds.nativeLibrary();
        var golden = golden("EmbeddingGemma, GGUF");
        Objects.requireNonNull(golden.metadata()).put("gemma-embedding.context_length", 1024);
        var ids = new java.util.Random(5).ints(700, 0, 96).toArray();
        var other = Arrays.copyOf(ids, ids.length);
        other[699] = (other[699] + 1) % 96;
        var found = new ArrayList<float[][]>();
        for (var program : List.of(ProgramKind.NATIVE, ProgramKind.DENSE)) {
            var weights = program == ProgramKind.NATIVE ? Precision.AUTO : Precision.FP32;
            var options = new DecoderOptions(weights, Precision.FP32, 2, 0, 2, "cpu", false);
            try (var model = StoredModel.open(write(golden));
                    var decoder = TorchDecoder.load(
                            model,
                            Architectures.describe(model),
                            options,
                            Device.cpu(),
                            program,
                            _ -> {},
                            new Stages())) {
                var encoder = decoder.encoder(model, pooling(model, golden));
                assertTrue(encoder.stepTokens() >= 1024);
                found.add(encoder.encode(List.of(new PromptPart(0, ids, 0), new PromptPart(1, other, 0))));
            }
        }
        for (var i = 0; i < 2; i++) {
            assertTrue(cosine(found.get(0)[i], found.get(1)[i]) > LEAST_COSINE);
        }
    }
}
