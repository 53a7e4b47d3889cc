package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.assembly.Engines;
import dev.llmworker.generation.ModelVectors;
import dev.llmworker.generation.Readiness;
import dev.llmworker.generation.Task;
import dev.llmworker.settings.Settings;
import dev.llmworker.stats.WorkerStats;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.weights.content.TensorType;
import io.vertx.core.Vertx;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// From a text to its embedding as clients get it: the ids and vectors of transformers in float32, which
/// `golden_text_vectors.py` writes, by tiny models with tokenizers of their own.
@Timeout(180)
@Concurrent
class GoldenTextVectorsTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    private Path directory;

    private record Golden(
            String name,
            Map<String, Object> config,
            JsonNode tokenizer,
            JsonNode tokenizerConfig,
            Map<String, double[]> tensors,
            List<String> texts,
            int[][] ids,
            float[][] vectors) {
        @Override
        public String toString() {
            return name;
        }
    }

    private static Stream<Arguments> goldensAndKernels() throws IOException {
        try (var stream = GoldenTextVectorsTest.class.getResourceAsStream("/golden/text_vectors.json")) {
            return Stream.of(JSON.readValue(Objects.requireNonNull(stream), Golden[].class))
                    .flatMap(golden -> Stream.of("native", "torch").map(kernels -> Arguments.of(golden, kernels)));
        }
    }

    @ParameterizedTest
    @MethodSource("goldensAndKernels")
    void textsHaveTheIdsAndVectorsOfTransformers(Golden golden, String kernels) throws Exception {
        var isNative = kernels.equals("native");
        if (isNative) {
            MachineNeeds.nativeLibrary();
        }
        var isMean = golden.name().contains("Gemma");
        new GoldenFolder(directory, isMean, true).write(golden.config(), TensorType.F32, golden.tensors());
        JSON.writeValue(directory.resolve("tokenizer.json").toFile(), golden.tokenizer());
        JSON.writeValue(directory.resolve("tokenizer_config.json").toFile(), golden.tokenizerConfig());
        var vertx = Vertx.vertx();
        var settings = Settings.of(Map.of(
                "MODEL",
                directory.toString(),
                "KERNELS",
                kernels,
                "DTYPE",
                isNative ? "auto" : "fp32",
                "MAX_SLOTS",
                "3"));
        try (var generator = Engines.start(settings, vertx, new WorkerStats())) {
            Await.until("the model is loaded", () -> !(generator.readiness() instanceof Readiness.Loading));
            var model = assertInstanceOf(ModelVectors.class, generator);
            model.checkServes(Task.EMBED);
            for (var i = 0; i < golden.ids().length; i++) {
                assertArrayEquals(
                        golden.ids()[i],
                        model.encodeText("input", golden.texts().get(i)));
            }
            try (var worker = RunningWorker.with(generator)) {
                var body = JSON.createObjectNode().set("input", JSON.valueToTree(golden.texts()));
                var answer = worker.post("/v1/embeddings", body.toString());
                assertEquals(200, answer.statusCode(), answer.body());
                var tokens = Stream.of(golden.ids()).mapToInt(ids -> ids.length).sum();
                var came = JSON.readTree(answer.body());
                assertEquals(tokens, came.path("usage").path("prompt_tokens").asInt());
                for (var i = 0; i < golden.ids().length; i++) {
                    var vector = came.path("data").path(i).path("embedding");
                    var cosine = cosine(golden.vectors()[i], vector);
                    assertTrue(cosine > 0.9999, golden.texts().get(i) + ": " + cosine);
                }
            }
        } finally {
            vertx.close();
        }
    }

    /// Both have the length 1.
    private static double cosine(float[] expected, JsonNode found) {
        assertEquals(expected.length, found.size());
        var product = 0.0;
        for (var i = 0; i < expected.length; i++) {
            product += expected[i] * found.get(i).asDouble();
        }
        return product;
    }
}
