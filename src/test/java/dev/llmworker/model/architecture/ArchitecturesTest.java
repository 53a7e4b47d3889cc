package dev.llmworker.model.architecture;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.model.Attention;
import dev.llmworker.model.DeltaNet;
import dev.llmworker.model.Layer;
import dev.llmworker.model.ModelConfig;
import dev.llmworker.model.Rope;
import dev.llmworker.model.TensorCheck;
import dev.llmworker.weights.Gguf;
import dev.llmworker.weights.GgufFile;
import dev.llmworker.weights.SafetensorsFolder;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.TensorType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// What the metadata of a file say of a model, before any weights are loaded.
class ArchitecturesTest {
    private static final int LAYERS = 3;
    private static final int HIDDEN = 32;
    private static final int WIDTH = 64;
    private static final int HEAD_DIM = 16;

    @TempDir
    private Path directory;

    /// The metadata of three layers of two heads, and the embedding.
    private static GgufFile file(String architecture) {
        var prefix = architecture + ".";
        return new GgufFile()
                .string("general.architecture", architecture)
                .integer(prefix + "block_count", LAYERS)
                .integer(prefix + "embedding_length", HIDDEN)
                .integer(prefix + "attention.head_count", 2)
                .integer(prefix + "context_length", 128)
                .number(prefix + "attention.layer_norm_rms_epsilon", 1e-5f)
                .floats("token_embd.weight", new float[10 * HIDDEN], HIDDEN, 10);
    }

    private static GgufFile dense(String architecture) {
        return file(architecture).integer(architecture + ".feed_forward_length", WIDTH);
    }

    private static GgufFile experts(int count) {
        return dense("llama").integer("llama.expert_count", count).integer("llama.expert_used_count", 1);
    }

    private ModelConfig describe(GgufFile file) throws IOException {
        try (var model = Gguf.open(file.write(directory.resolve("model.gguf")))) {
            return Architectures.describe(model);
        }
    }

    /// Such files have other parts that are not supported. The family is what counts, in the spelling of the file.
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            LFM2 | 'architectures':['Lfm2ForCausalLM'],'layer_types':['conv','full_attention'],'sliding_window':5 \
                | architectures is Lfm2ForCausalLM
            Granite 4 | 'architectures':['GraniteMoeHybridForCausalLM'],'position_embedding_type':'nope' \
                | architectures is GraniteMoeHybridForCausalLM
            Nemotron | 'architectures':['NemotronHForCausalLM'],'mlp_hidden_act':'relu2','is_causal':false \
                | architectures is NemotronHForCausalLM
            DeepSeek | 'architectures':['DeepseekV2ForCausalLM'],'kv_lora_rank':512,'n_shared_experts':2 \
                | architectures is DeepseekV2ForCausalLM
            DeepSeek in FP8 | 'architectures':['DeepseekV3ForCausalLM'],'quantization_config':{'quant_method':'fp8'} \
                | architectures is DeepseekV3ForCausalLM
            GLM-4.7-Flash | 'architectures':['Glm4MoeLiteForCausalLM'],'scoring_func':'sigmoid' \
                | architectures is Glm4MoeLiteForCausalLM
            Qwen3-VL | 'architectures':['Qwen3VLForConditionalGeneration'],'text_config':{'model_type':'qwen3_vl_text'} \
                | architectures is Qwen3VLForConditionalGeneration, and text_config.model_type is qwen3_vl_text
            BERT | 'architectures':['BertModel'],'position_embedding_type':'absolute' \
                | architectures is BertModel
            without a class | 'text_config':{'model_type':'qwen3_vl_text'} \
                | text_config.model_type is qwen3_vl_text
            """)
    void anotherFamilyIsRefusedByTheNameInItsConfig(String name, String fields, String named) throws IOException {
        var config = directory.resolve("config.json");
        Files.writeString(config, "{" + fields.replace('\'', '"') + "}");
        var refused = assertThrows(ModelFileException.class, () -> Architectures.open(directory), name);
        assertEquals("config.json: " + named + "; supported: " + Architectures.supported(), refused.getMessage());
    }

    @ParameterizedTest
    @ValueSource(strings = {"lfm2", "granitehybrid", "nemotron_h", "nemotron_h_moe", "deepseek2", "glm4moe", "bert"})
    void anotherFamilyIsRefusedByItsNameBeforeTheTypesOfItsTensors(String architecture) throws IOException {
        var file = file(architecture).declare("blk.0.attn_q.weight", 23, 0, 256).write(directory.resolve("model.gguf"));
        var refused = assertThrows(ModelFileException.class, () -> Architectures.open(file));
        assertEquals(
                "model.gguf: metadata general.architecture is " + architecture + "; supported: "
                        + Architectures.supported(),
                refused.getMessage());
    }

    private static GgufFile qwen35() {
        return qwen35(2, 16, 32, 4);
    }

    /// With four heads of values.
    private static GgufFile qwen35(int keyHeads, int keyDim, int valueWidth, int kernel) {
        return dense("qwen35")
                .integer("qwen35.ssm.group_count", keyHeads)
                .integer("qwen35.ssm.time_step_rank", 4)
                .integer("qwen35.ssm.state_size", keyDim)
                .integer("qwen35.ssm.inner_size", valueWidth)
                .integer("qwen35.ssm.conv_kernel", kernel);
    }

    @Test
    void everyFourthLayerHasFullAttentionUnlessAListSaysOtherwise() throws IOException {
        for (var layer : describe(qwen35()).layers()) {
            assertEquals(new DeltaNet(2, 4, 16, 8, 4, true), layer.mixer());
        }
        var listed = describe(qwen35().flags("qwen35.attention.recurrent_layers", List.of(true, false, true)));
        assertTrue(attention(listed.layers().get(1)).gated());
        assertInstanceOf(DeltaNet.class, listed.layers().get(2).mixer());
    }

    @Test
    void sizesOfRecurrentLayersMustFit() {
        assertRefused(
                qwen35(3, 16, 32, 4),
                "metadata qwen35.ssm.time_step_rank is 4; it must be a multiple of the 3 key heads");
        assertRefused(
                qwen35(2, 16, 33, 4), "metadata qwen35.ssm.inner_size is 33; it must be a multiple of the 4 heads");
        assertRefused(
                qwen35(2, 1 << 20, 32, 4),
                "metadata qwen35.ssm.state_size is 1048576; 2 heads have at most 1048576 values together");
        assertRefused(qwen35(2, 16, 32, 0), "metadata qwen35.ssm.conv_kernel is 0; expected 1 to 64");
    }

    @Test
    void blocksThatPredictFurtherTokensAreLeftOut() throws IOException {
        var file = qwen35().integer("qwen35.nextn_predict_layers", 1)
                .flags("qwen35.attention.recurrent_layers", List.of(true, true, false))
                .floats("blk.1.attn_norm.weight", new float[HIDDEN], HIDDEN)
                .floats("blk.2.nextn.eh_proj.weight", new float[HIDDEN], HIDDEN);
        try (var model = Gguf.open(file.write(directory.resolve("model.gguf")))) {
            assertEquals(2, Architectures.describe(model).layers().size());
            assertEquals(
                    Set.of("token_embd.weight", "blk.1.attn_norm.weight"),
                    model.tensors().keySet());
        }
        assertRefused(
                qwen35().integer("qwen35.nextn_predict_layers", 3),
                "metadata qwen35.nextn_predict_layers is 3; expected 0 to 2");
    }

    private static Attention attention(Layer layer) {
        return assertInstanceOf(Attention.class, layer.mixer());
    }

    private void assertRefused(GgufFile file, String problem) {
        var thrown = assertThrows(ModelFileException.class, () -> describe(file));
        assertEquals("model.gguf: " + problem, thrown.getMessage());
    }

    /// Of a Gemma 2 as transformers saves it.
    private ModelConfig gemma(@Nullable Object cap, boolean set) throws IOException {
        var folder = new SafetensorsFolder();
        folder.config.put("architectures", new String[] {"Gemma2ForCausalLM"});
        if (set) {
            folder.config.put("attn_logit_softcapping", cap);
            folder.config.put("final_logit_softcapping", cap);
        }
        folder.config.put("hidden_activation", "gelu_pytorch_tanh");
        try (var model = StoredModel.open(folder.write(directory.resolve("gemma")))) {
            return Architectures.describe(model);
        }
    }

    @Test
    void capsOfNullAreNone() throws IOException {
        var none = gemma(null, true);
        assertEquals(0, none.logitCap());
        assertEquals(0, attention(none.layers().getFirst()).cap());
        var missing = gemma(null, false);
        assertEquals(30, missing.logitCap());
        assertEquals(50, attention(missing.layers().getFirst()).cap());
        assertEquals(20, gemma(20, true).logitCap());
        assertEquals(30, describe(dense("gemma2")).logitCap());
    }

    /// transformers and llama.cpp cap the scores of Gemma 2 alone.
    @Test
    void scoresOfOtherModelsHaveNoCap() throws IOException {
        for (var architecture : List.of("gemma3", "llama")) {
            var file = dense(architecture).number(architecture + ".attn_logit_softcapping", 4);
            assertEquals(0, attention(describe(file).layers().getFirst()).cap());
        }
    }

    @Test
    void capsBelowZeroAreRefused() {
        for (var key : List.of("attn_logit_softcapping", "final_logit_softcapping")) {
            assertRefused(
                    dense("gemma2").number("gemma2." + key, -1),
                    "metadata gemma2." + key + " is -1.0; it must not be below 0");
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 2, 4})
    void aListOfAnotherLengthThanTheLayersIsRefused(int length) {
        var list = new int[length];
        Arrays.fill(list, 2);
        var problem = " has " + length + " values; expected one for each of the 3 layers";
        assertRefused(
                file("llama").integers("llama.feed_forward_length", list),
                "metadata llama.feed_forward_length" + problem);
        assertRefused(
                dense("llama").integers("llama.attention.rope_pattern", list),
                "metadata llama.attention.rope_pattern" + problem);
        assertRefused(
                dense("gemma3")
                        .integer("gemma3.attention.sliding_window", 8)
                        .integers("gemma3.attention.sliding_window_pattern", list),
                "metadata gemma3.attention.sliding_window_pattern" + problem);
    }

    /// A rope for each layer of a hostile file would take gigabytes.
    @Test
    void layersOfAKindShareTheirRope() throws IOException {
        for (var file : List.of(dense("llama"), dense("exaone4").integer("exaone4.attention.sliding_window", 8))) {
            var layers = describe(file).layers();
            assertSame(attention(layers.get(0)).rope(), attention(layers.get(1)).rope());
        }
    }

    @Test
    void expertsThatTheFileCannotHaveAreRefusedBeforeTheirTensorsAreNamed() throws IOException {
        var file = experts(4096);
        for (var layer = 0; layer < LAYERS; layer++) {
            file.floats("blk." + layer + ".ffn_up.0.weight", new float[HIDDEN * WIDTH], HIDDEN, WIDTH);
        }
        assertRefused(
                file,
                "metadata llama.expert_count is 4096: the layers up to 0 would have 12288 tensors of single experts;"
                        + " there are 4 tensors");
        describe(experts(4096));
    }

    @Test
    void aModelWithoutAnyWidthOfExpertsSaysSo() {
        assertRefused(
                file("qwen3moe").integer("qwen3moe.expert_count", 4).integer("qwen3moe.expert_used_count", 2),
                "metadata qwen3moe.expert_feed_forward_length is missing, and so is feed_forward_length");
    }

    private static GgufFile factors(GgufFile file, String name, float... values) {
        return file.floats(name, values, values.length);
    }

    @Test
    void bothListsOfFactorsAreThereAndSound() throws IOException {
        float[] sound = new float[HEAD_DIM / 2], bad = new float[HEAD_DIM / 2];
        Arrays.fill(sound, 1);
        String longer = TensorCheck.LONG_FACTORS, shorter = TensorCheck.SHORT_FACTORS;
        describe(factors(factors(dense("phi3"), longer, sound), shorter, sound));
        assertRefused(factors(dense("phi3"), longer, sound), "tensor " + shorter + " is missing among 2 tensors");
        assertRefused(factors(dense("phi3"), shorter, sound), "tensor " + longer + " is missing among 2 tensors");
        assertRefused(
                factors(factors(dense("phi3"), longer, sound), shorter, bad),
                "tensor " + shorter + " has 0.0 at 0; it must be above 0");
        assertRefused(
                factors(factors(dense("phi3"), longer, bad), shorter, sound),
                "tensor " + longer + " has 0.0 at 0; it must be above 0");
    }

    @Test
    void longropeWithoutFactorsIsRefused() {
        assertRefused(
                dense("phi3").string("phi3.rope.scaling.type", "longrope"),
                "tensor " + TensorCheck.LONG_FACTORS + " is missing among 1 tensors");
    }

    @Test
    void theContextDecidesBetweenTheFactors() throws IOException {
        float[] shorter = new float[HEAD_DIM / 2], longer = new float[HEAD_DIM / 2];
        Arrays.fill(shorter, 1);
        Arrays.fill(longer, 4);
        var file = factors(factors(dense("phi3"), TensorCheck.LONG_FACTORS, longer), TensorCheck.SHORT_FACTORS, shorter)
                .integer("phi3.rope.scaling.original_context_length", 64);
        var config = describe(file);
        assertEquals(1, firstFrequency(config.forContext(64)));
        assertEquals(0.25, firstFrequency(config.forContext(65)));
        var layers = config.forContext(65).attentions().toList();
        assertSame(layers.get(0).rope(), layers.get(1).rope());
    }

    private static double firstFrequency(ModelConfig config) {
        return Objects.requireNonNull(
                        config.attentions().findFirst().orElseThrow().rope())
                .frequencies()[0];
    }

    // Layers that read the keys and values of earlier ones.

    private static GgufFile gemma4(int shared) {
        return dense("gemma4")
                .integer("gemma4.attention.sliding_window", 8)
                .flags("gemma4.attention.sliding_window_pattern", List.of(true, false, true))
                .integer("gemma4.attention.shared_kv_layers", shared);
    }

    @Test
    void aLayerReadsTheKeysOfTheLastOneOfItsKind() throws IOException {
        var layers = describe(gemma4(1)).attentions().toList();
        assertEquals(0, layers.getLast().keysOf());
        assertTrue(layers.get(1).hasKeys());
    }

    @Test
    void keysThatNoLayerHasAreRefused() {
        assertRefused(
                gemma4(2),
                "metadata gemma4.attention.shared_kv_layers leaves no layer whose keys and values layer 1 could read");
        assertRefused(gemma4(3), "metadata gemma4.attention.shared_kv_layers is 3; expected 0 to 2");
        assertRefused(
                gemma4(1).integers("gemma4.attention.head_count_kv", 1, 2, 2),
                "metadata gemma4.attention.head_count_kv differs in layers 2 and 0, which share keys and values");
    }

    /// These are no keys of GGUF: whether the order is another one follows from the architecture alone.
    @Test
    void noKeyOfAGgufFileChangesTheOrderOfItsTensors() throws IOException {
        var file = dense("llama").flag("general.from_hub", true).flag("llama.rope.half_split", true);
        Rope rope = attention(describe(file).layers().getFirst()).rope();
        assertFalse(Objects.requireNonNull(rope).halfSplit());
        assertFalse(describe(dense("gemma2").flag("general.from_hub", true)).normsFromZero());
    }

    // Which tensors there must be.

    private void assertTensorRefused(GgufFile file, String problem) {
        var thrown = assertThrows(ModelFileException.class, () -> {
            try (var model = Gguf.open(file.write(directory.resolve("model.gguf")))) {
                TensorCheck.allThere(model, Architectures.describe(model));
            }
        });
        assertEquals("model.gguf: " + problem, thrown.getMessage());
    }

    private static GgufFile attention(GgufFile file) {
        var square = new float[HIDDEN * HIDDEN];
        for (var layer = 0; layer < LAYERS; layer++) {
            file.floats("blk." + layer + ".attn_norm.weight", new float[HIDDEN], HIDDEN);
            for (var part : List.of("q", "k", "v", "output")) {
                file.floats("blk." + layer + ".attn_" + part + ".weight", square, HIDDEN, HIDDEN);
            }
        }
        return file;
    }

    private static GgufFile withNorms(GgufFile file) {
        for (var layer = 0; layer < LAYERS; layer++) {
            file.floats("blk." + layer + ".ffn_norm.weight", new float[HIDDEN], HIDDEN);
        }
        return file;
    }

    @Test
    void aMissingNormHasTheNameThatMostModelsGiveIt() {
        assertTensorRefused(attention(dense("llama")), "tensor blk.0.ffn_norm.weight is missing among 16 tensors");
    }

    @Test
    void onlyAMatrixOfTwiceTheWidthIsGateAndValues() {
        var file = withNorms(attention(dense("llama")))
                .floats("blk.0.ffn_up.weight", new float[HIDDEN * WIDTH], HIDDEN, WIDTH);
        assertTensorRefused(file, "tensor blk.0.ffn_gate.weight is missing among 20 tensors");
    }

    @Test
    void biasesOfExpertsAreNeverQuantised() {
        var count = 2;
        var file = withNorms(attention(experts(count)))
                .floats("blk.0.ffn_gate_inp.weight", new float[HIDDEN * count], HIDDEN, count)
                .floats("blk.0.ffn_gate_exps.weight", new float[HIDDEN * WIDTH * count], HIDDEN, WIDTH, count)
                .floats("blk.0.ffn_up_exps.weight", new float[HIDDEN * WIDTH * count], HIDDEN, WIDTH, count)
                .floats("blk.0.ffn_down_exps.weight", new float[WIDTH * HIDDEN * count], WIDTH, HIDDEN, count)
                .floats("blk.0.ffn_gate_exps.bias", new float[WIDTH * count], WIDTH, count)
                .floats("blk.0.ffn_up_exps.bias", new float[WIDTH * count], WIDTH, count);
        quantised(file, "blk.0.ffn_down_exps.bias", HIDDEN, count);
        assertTensorRefused(file, "tensor blk.0.ffn_down_exps.bias is Q8_0; supported here: F32, F16, BF16");
    }

    @Test
    void columnsOfExpertsAreNeverQuantised() {
        var count = 2;
        var file = withNorms(attention(experts(count)))
                .floats("blk.0.ffn_gate_inp.weight", new float[HIDDEN * count], HIDDEN, count);
        quantised(file, "blk.0.ffn_gate_up_exps_transposed.weight", 2 * WIDTH, HIDDEN, count);
        quantised(file, "blk.0.ffn_down_exps_transposed.weight", HIDDEN, WIDTH, count);
        assertTensorRefused(
                file, "tensor blk.0.ffn_gate_up_exps_transposed.weight is Q8_0; supported here: F32, F16, BF16");
    }

    private static void quantised(GgufFile file, String name, long... shape) {
        var elements = Arrays.stream(shape).reduce(1, (a, b) -> a * b);
        var blocks = (int) elements / TensorType.Q8_0.blockElements();
        file.tensor(name, TensorType.Q8_0, new byte[blocks * TensorType.Q8_0.blockBytes()], shape);
    }
}
