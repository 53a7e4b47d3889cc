package dev.llmworker.assembly;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.ModelVectors;
import dev.llmworker.generation.Readiness;
import dev.llmworker.generation.Share;
import dev.llmworker.generation.Task;
import dev.llmworker.generation.VectorEvent;
import dev.llmworker.hub.StarterModelFile;
import dev.llmworker.model.decoder.GoldenModel;
import dev.llmworker.settings.Settings;
import dev.llmworker.settings.SettingsTable;
import dev.llmworker.stats.WorkerStats;
import dev.llmworker.testing.Await;
import dev.llmworker.weights.Gguf;
import dev.llmworker.weights.content.ModelFileException;
import io.vertx.core.Vertx;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What a model is served as.
@Timeout(180)
class ServedTaskTest {
    @TempDir
    private Path directory;

    private Gguf open(GoldenModel golden) throws Exception {
        return Gguf.open(golden.file().write(directory.resolve("tiny.gguf")));
    }

    @ParameterizedTest
    @CsvSource({"0, GENERATE", "1, EMBED", "3, EMBED", "4, RERANK"})
    void autoIsWhatTheFileSays(int pooling, Task expected) throws Exception {
        var golden = GoldenModel.named("Qwen 3");
        golden.metadata().put("qwen3.pooling_type", pooling);
        try (var model = open(golden)) {
            assertEquals(expected, ServedTask.of(SettingsTable.Task.AUTO, model));
            for (var setting :
                    List.of(SettingsTable.Task.GENERATE, SettingsTable.Task.EMBED, SettingsTable.Task.RERANK)) {
                assertEquals(setting.name(), ServedTask.of(setting, model).name());
            }
        }
    }

    @Test
    void aKindOfVectorsThatIsNotSupportedIsNamed() throws Exception {
        var golden = GoldenModel.named("Qwen 3");
        golden.metadata().put("qwen3.pooling_type", 2);
        try (var model = open(golden)) {
            var refused = assertThrows(ModelFileException.class, () -> ServedTask.of(SettingsTable.Task.AUTO, model));
            assertEquals(
                    "tiny.gguf: metadata qwen3.pooling_type is 2; supported: 0 (none), 1 (mean), 3 (last token), 4 (scores"
                            + " of documents)",
                    refused.getMessage());
        }
    }

    @Test
    void aModelWhoseTokensSeeThoseAfterThemOnlyEmbeds() throws Exception {
        var gemma = GoldenModel.named("Gemma 3");
        var metadata = new LinkedHashMap<String, Object>();
        gemma.metadata().forEach((key, value) -> metadata.put(key.replace("gemma3.", "gemma-embedding."), value));
        metadata.put("general.architecture", "gemma-embedding");
        var golden = new GoldenModel(
                gemma.name(), metadata, gemma.tensors(), gemma.factors(), gemma.ids(), gemma.greedy(), gemma.logits());
        try (var model = open(golden)) {
            assertEquals(Task.EMBED, ServedTask.of(SettingsTable.Task.AUTO, model));
            var refused = assertThrows(
                    IllegalArgumentException.class, () -> ServedTask.of(SettingsTable.Task.GENERATE, model));
            assertEquals(
                    "TASK is generate; this model's tokens see those after them, so it can only embed",
                    refused.getMessage());
        }
    }

    private static float[][] vectors(ModelVectors model, List<int[]> texts) {
        var found = new float[texts.size()][];
        try (var answer = model.vectors(texts, Share.NONE)) {
            for (var event : answer) {
                switch (event) {
                    case VectorEvent.Vector(var index, var values) -> found[index] = values;
                    case GenerationEvent.Finished _ -> {}
                }
            }
        }
        return found;
    }

    /// A text of the starter model has the same vector alone and among others; a long one runs in several steps.
    @Test
    void aRealModelMakesTheSameVectorAloneAndBesideOthers() throws Exception {
        var vertx = Vertx.vertx();
        var settings = Settings.of(Map.of(
                "MODEL", StarterModelFile.path().toString(), "TASK", "embed", "KERNELS", "native", "MAX_SLOTS", "4"));
        try (var generator = Engines.start(settings, vertx, new WorkerStats())) {
            Await.until("the model is loaded", () -> !(generator.readiness() instanceof Readiness.Loading));
            var model = assertInstanceOf(ModelVectors.class, generator);
            model.checkServes(Task.EMBED);
            assertEquals(576, model.dimensions());
            var texts = List.of(
                    model.encodeText("input", "Tell me about load balancing"),
                    model.encodeText("input", "A long text. ".repeat(60)),
                    model.encodeText("input", "Apples"));
            var together = vectors(model, texts);
            for (var i = 0; i < texts.size(); i++) {
                assertArrayEquals(vectors(model, List.of(texts.get(i)))[0], together[i]);
            }
        } finally {
            vertx.close();
        }
    }
}
