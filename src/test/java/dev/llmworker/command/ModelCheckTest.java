package dev.llmworker.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.Worker;
import dev.llmworker.assembly.Engines;
import dev.llmworker.generation.Readiness;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.decoder.ModelSummary;
import dev.llmworker.settings.Settings;
import dev.llmworker.stats.WorkerStats;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.ChildJvm;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.weights.SafetensorsFolder;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.TensorType;
import io.vertx.core.Vertx;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// `--check-model` on sound and on broken models, and a sound folder served.
@Timeout(180)
@Concurrent
class ModelCheckTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String TEMPLATE =
            "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
                    + "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

    private final Map<String, String> environment = new HashMap<>(Map.of("DEVICE", "cpu"));

    @TempDir
    private Path directory;

    private Path folder;
    private SafetensorsFolder model;

    /// A folder with the small Qwen tokenizer of the golden cases.
    @BeforeEach
    void write() throws IOException {
        folder = directory.resolve("Tiny");
        try (var stream = ModelCheckTest.class.getResourceAsStream("/golden/hub_tokens.json")) {
            var golden = JSON.readTree(stream).get(3);
            model = new SafetensorsFolder(golden.get("size").asInt());
            model.write(folder);
            JSON.writeValue(folder.resolve("tokenizer.json").toFile(), golden.get("tokenizer"));
            JSON.writeValue(folder.resolve("tokenizer_config.json").toFile(), golden.get("config"));
        }
        Files.writeString(folder.resolve("chat_template.jinja"), TEMPLATE);
    }

    @Test
    void aSoundFolderIsDescribed() throws Exception {
        Files.writeString(folder.resolve("generation_config.json"), "{\"eos_token_id\":[1,2]}");
        var report = check(0, folder);
        assertTrue(report.startsWith("Tiny: sound\n"), report);
        assertTrue(
                report.contains("llama, 1 layers of 8: 2 heads of 4 (1 for keys and values), feed-forward 16; trained"
                        + " for 64 tokens"),
                report);
        assertTrue(report.contains(" in BF16 "), report);
        assertTrue(report.contains("answers end by <|endoftext|>, <|im_end|>"), report);
        assertTrue(
                report.contains("a user's Hello becomes <|im_start|>user\\nHello<|im_end|>\\n<|im_start|>assistant\\n"),
                report);
        // 2 × 1 layer × 1 head × 4 × 2 bytes.
        assertTrue(report.contains("KV cache: 32 slots × 64 tokens × 16 bytes"), report);
    }

    @Test
    void aSoundGgufFileIsDescribed() throws Exception {
        var file = directory.resolve("tiny.gguf");
        TinyModel.write(file);
        var report = check(0, file);
        assertTrue(report.startsWith("tiny: sound\n") && report.contains("Q8_0"), report);
        assertTrue(
                report.matches("(?s).*  types +Q8_0: .* held as .* bytes each.*F32: .* held as fp32: 4.00.*"), report);
        assertTrue(
                report.matches("(?s).*  speed +at most \\d+ tokens a second in one answer: a token reads .*"), report);
    }

    @Test
    void ofExpertsThoseAreCountedThatATokenUses() throws Exception {
        model.config.put("architectures", new String[] {"MixtralForCausalLM"});
        model.config.put("num_local_experts", 4);
        model.config.put("num_experts_per_tok", 1);
        var mlp = "model.layers.0.mlp.";
        var block = "model.layers.0.block_sparse_moe.";
        model.tensor(block + "gate.weight", 4, 8);
        var names = Map.of("gate_proj", "w1", "up_proj", "w3", "down_proj", "w2");
        names.forEach(
                (from, to) -> model.weights.rename(mlp + from + ".weight", block + "experts.0." + to + ".weight"));
        for (var expert = 1; expert < 4; expert++) {
            model.tensor(block + "experts." + expert + ".w1.weight", 16, 8);
            model.tensor(block + "experts." + expert + ".w3.weight", 16, 8);
            model.tensor(block + "experts." + expert + ".w2.weight", 8, 16);
        }
        model.write(folder);
        try (var stored = StoredModel.open(folder)) {
            var summary = ModelSummary.of(stored, DecoderOptions.cpu(1));
            assertEquals(3 * 3 * 16 * 8, summary.parameters() - summary.activeParameters());
            assertTrue(summary.weights().contains(", of which a token uses "), summary::weights);
            assertTrue(summary.stepBytes() < summary.parameters() * 2, summary::toString);
        }
    }

    @Test
    void howMatricesAreQuantisedIsSaidAndWhatWouldBeFaster() throws Exception {
        var gate = "model.layers.0.mlp.gate_proj.weight";
        model = new SafetensorsFolder(rows(), 4, Set.of(gate));
        model.config.put("quantization_config", Map.of("quant_method", "fp8", "weight_block_size", new int[] {8, 8}));
        model.weights.raw(gate, "F8_E4M3", new byte[16 * 8], 16, 8);
        model.weights.tensor(gate + "_scale_inv", TensorType.F32, new float[] {1, 2}, 2, 1);
        model.write(folder);
        var report = check(0, folder);
        assertTrue(
                report.contains(
                        "  quantised      fp8, 8 bits in blocks of 8 x 8; of its matrices 1 in F16; faster: a GGUF file"
                                + " in Q8_0 or Q4_K, which has 2 to 4 times fewer bytes than F16\n"),
                report);
        model.config.put("quantization_config", Map.of("quant_method", "hqq"));
        model.write(folder);
        assertTrue(check(1, folder)
                .startsWith("not sound: config.json: quantization_config has quant_method \"hqq\"; supported: awq, "));
    }

    @Test
    void aCutOffFileIsNamed() throws Exception {
        var file = folder.resolve("model.safetensors");
        var bytes = Files.readAllBytes(file);
        Files.write(file, Arrays.copyOf(bytes, bytes.length - 1));
        assertTrue(check(1, folder)
                .matches("not sound: model\\.safetensors: tensor \\S+ takes bytes \\d+ to \\d+ of the data, which has"
                        + " \\d+: the file is truncated\n"));
        var gguf = directory.resolve("tiny.gguf");
        TinyModel.write(gguf);
        bytes = Files.readAllBytes(gguf);
        Files.write(gguf, Arrays.copyOf(bytes, bytes.length / 2));
        assertTrue(check(1, gguf).startsWith("not sound: tiny.gguf: tensor "));
    }

    @Test
    void aTensorThatIsMissingOrStrangeIsNamed() throws Exception {
        model.tensor("model.layers.0.self_attn.q_norm.weight", 4).write(folder);
        assertEquals(
                "not sound: model.safetensors: tensor model.layers.0.self_attn.q_norm.weight is not of a llama model as it"
                        + " is supported\n",
                check(1, folder));
        model.config.put("num_hidden_layers", 2);
        new SafetensorsFolder(rows()).write(folder);
        Files.write(folder.resolve("config.json"), model.configBytes());
        assertEquals(
                "not sound: Tiny: tensor model.layers.1.input_layernorm.weight is missing among 12 tensors\n",
                check(1, folder));
    }

    @Test
    void aNumberThatIsNoneIsNamedWithItsPlace() throws Exception {
        var file = folder.resolve("model.safetensors");
        var bytes = Files.readAllBytes(file);
        // The last two bytes are the last element of the last tensor; 0x7FC0 is NaN in BF16.
        bytes[bytes.length - 2] = (byte) 0xC0;
        bytes[bytes.length - 1] = 0x7F;
        Files.write(file, bytes);
        assertEquals(
                "not sound: model.safetensors: tensor model.norm.weight has NaN at element 7; expected finite numbers\n",
                check(1, folder));
    }

    @Test
    void aModelOfAnotherFamilyIsRefusedWithThoseThatWork() throws Exception {
        model.config.put("architectures", new String[] {"MambaForCausalLM"});
        model.write(folder);
        assertTrue(check(1, folder)
                .startsWith("not sound: config.json: architectures is MambaForCausalLM; supported: llama (Llama 2"));
    }

    @Test
    void aTokenizerOrTemplateThatCannotBeUsedIsNamed() throws Exception {
        Files.writeString(folder.resolve("chat_template.jinja"), "{% for %}");
        assertTrue(check(1, folder).startsWith("not sound: chat_template.jinja: chat_template.jinja cannot be used: "));
        Files.writeString(folder.resolve("generation_config.json"), "{\"eos_token_id\":99999}");
        assertTrue(check(1, folder)
                .startsWith(
                        "not sound: generation_config.json: eos_token_id has 99999; the vocabulary has tokens 0 to"));
        Files.writeString(folder.resolve("tokenizer.json"), "{\"model\":{\"type\":\"Unigram\",\"vocab\":{}}}");
        assertEquals("not sound: tokenizer.json: model.type is Unigram; supported: BPE\n", check(1, folder));
        Files.delete(folder.resolve("tokenizer.json"));
        assertEquals(
                "not sound: MODEL=" + folder
                        + " has no .gguf file, and no model in safetensors: it lacks tokenizer.json\n",
                check(1, folder));
    }

    @Test
    void aPlanThatDoesNotFitIsRefusedWithTheFigures() throws Exception {
        environment.put("MAX_MODEL_LEN", "65");
        assertEquals("not sound: MAX_MODEL_LEN is 65; the model was trained for 64\n", check(1, folder));
        environment.putAll(Map.of("MAX_MODEL_LEN", "1048576", "MAX_SLOTS", "1024", "KV_CACHE_DTYPE", "fp32"));
        var wide = new SafetensorsFolder(rows(), 2048);
        wide.config.put("max_position_embeddings", 1 << 20);
        wide.write(folder);
        var report = check(1, folder);
        assertTrue(
                report.startsWith("not sound: the KV cache does not fit: 1024 slots × 1048576 tokens × 16384 bytes"
                        + " (2 × 1 layers × 1 heads × 2048 × 4 bytes) are 17592.2 GB; "),
                report);
        assertTrue(report.matches("(?s).* would fit(, or MAX_MODEL_LEN=\\d+)?\n"), report);
    }

    @Test
    void aSoundFolderIsServed() throws Exception {
        environment.putAll(Map.of("MODEL", folder.toString(), "HOME", directory.toString()));
        var stats = new WorkerStats();
        var vertx = Vertx.vertx();
        try (var generator = Engines.start(Settings.read(environment), vertx, stats);
                var worker = new RunningWorker(generator, Map.of(), stats)) {
            Await.until("the model is loaded", () -> !(generator.readiness() instanceof Readiness.Loading));
            assertEquals(new Readiness.Ready(), generator.readiness());
            var answer = worker.post("/generate", "{\"prompt\":\"Hello\",\"max_tokens\":4,\"ignore_eos\":true}");
            assertEquals(200, answer.statusCode(), answer.body());
            assertEquals(
                    "Tiny",
                    JSON.readTree(worker.get("/v1/models").body())
                            .at("/data/0/id")
                            .asText());
        } finally {
            vertx.close();
        }
    }

    @Test
    void theExitStatusTellsASoundModelFromABrokenOne() throws Exception {
        assertEquals(0, exit(folder));
        Files.delete(folder.resolve("model.safetensors"));
        assertEquals(1, exit(folder));
        assertEquals(1, exit(directory.resolve("nothing.gguf")));
    }

    private int rows() {
        return (int) Objects.requireNonNull(model.config.get("vocab_size"));
    }

    private String check(int status, Path path) throws Exception {
        var out = new ByteArrayOutputStream();
        var found = ModelCheck.run(path.toString(), environment, new PrintStream(out, true, StandardCharsets.UTF_8));
        var report = out.toString(StandardCharsets.UTF_8);
        assertEquals(status, found, report);
        return report;
    }

    private static int exit(Path path) throws Exception {
        var process = ChildJvm.of(Worker.class, Map.of(), "--check-model", path.toString())
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        assertTrue(process.waitFor(150, TimeUnit.SECONDS));
        return process.exitValue();
    }
}
