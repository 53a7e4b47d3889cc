package dev.llmworker.weights;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.llmworker.weights.content.ModelFileException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What transformers makes of `config.json` in GGUF's words.
class HubConfigTest {
    private static final int NONE = 0;

    @TempDir
    private Path directory;

    private int window(String model, Map<String, ? extends @Nullable Object> config) throws IOException {
        var folder = new SafetensorsFolder();
        folder.config.put("architectures", List.of(model + "ForCausalLM"));
        folder.config.put("num_hidden_layers", 2);
        folder.config.putAll(config);
        try (var stored = StoredModel.open(folder.write(directory))) {
            var architecture = stored.metadata().string("general.architecture");
            return stored.metadata().integer(architecture + ".attention.sliding_window", NONE);
        }
    }

    private static Map<String, Object> used(String name, Object value) {
        return Map.of("use_sliding_window", true, "sliding_window", 32, name, value);
    }

    @Test
    void qwensWindowIsForLayersFromTheOneThatIsNamed() throws IOException {
        for (var model : List.of("Qwen2", "Qwen3")) {
            assertEquals(NONE, window(model, used("max_window_layers", 2)));
            assertEquals(32, window(model, used("max_window_layers", 1)));
            assertEquals(32, window(model, used("max_window_layers", 0)));
            assertEquals(NONE, window(model, Map.of("use_sliding_window", true, "sliding_window", 32)));
            assertEquals(NONE, window(model, Map.of("use_sliding_window", false, "sliding_window", 32)));
            assertEquals(4096, window(model, Map.of("use_sliding_window", true, "max_window_layers", 0)));
        }
    }

    @Test
    void qwensLayersMayBeListed() throws IOException {
        assertEquals(NONE, window("Qwen3", used("layer_types", List.of("full_attention", "full_attention"))));
        assertEquals(32, window("Qwen3", used("layer_types", List.of("full_attention", "sliding_attention"))));
        var refused = assertThrows(
                ModelFileException.class,
                () -> window("Qwen3", used("layer_types", List.of("full_attention", "chunked_attention"))));
        assertEquals(
                "config.json: layer_types has \"chunked_attention\"; supported: full_attention, sliding_attention",
                refused.getMessage());
    }

    @Test
    void mistralsWindowMayBeNone() throws IOException {
        var none = new HashMap<String, @Nullable Object>();
        none.put("sliding_window", null);
        assertEquals(NONE, window("Mistral", none));
        assertEquals(NONE, window("Mistral", Map.of("sliding_window", 0)));
        assertEquals(32, window("Mistral", Map.of("sliding_window", 32)));
        assertEquals(4096, window("Mistral", Map.of()));
    }

    @Test
    void llamaHasNone() throws IOException {
        assertEquals(NONE, window("Llama", used("max_window_layers", 0)));
    }

    @Test
    void allLayersOfQwensExpertsHaveTheWindow() throws IOException {
        assertEquals(32, window("Qwen3Moe", used("max_window_layers", 2)));
        assertEquals(32, window("Qwen3Moe", used("layer_types", List.of("full_attention", "full_attention"))));
        assertEquals(NONE, window("Qwen3Moe", Map.of("sliding_window", 32)));
    }

    @Test
    void fieldsThatAreMissingAreThoseOfTheClass() throws IOException {
        assertDefault("GptOss", "gpt-oss.attention.layer_norm_rms_epsilon", 1e-5f);
        assertDefault("GptOss", "gpt-oss.rope.freq_base", 150_000);
        assertDefault("Olmo2", "olmo2.attention.layer_norm_rms_epsilon", 1e-5f);
        assertDefault("Olmo3", "olmo2.attention.layer_norm_rms_epsilon", 1e-5f);
        assertDefault("Phi3", "phi3.attention.layer_norm_rms_epsilon", 1e-5f);
        assertDefault("Exaone4", "exaone4.attention.layer_norm_rms_epsilon", 1e-5f);
        assertDefault("Mixtral", "llama.attention.layer_norm_rms_epsilon", 1e-5f);
        assertDefault("Mixtral", "llama.rope.freq_base", 1e6f);
        assertDefault("Glm4", "glm4.attention.layer_norm_rms_epsilon", 1.5625e-7f);
        assertDefault("Granite", "granite.attention.scale", 1);
        assertDefault("Ernie4_5", "ernie4_5.rope.freq_base", 500_000);
        assertDefault("Llama", "llama.attention.layer_norm_rms_epsilon", 1e-6f);
    }

    private void assertDefault(String model, String key, float value) throws IOException {
        var folder = new SafetensorsFolder();
        folder.config.remove("rms_norm_eps");
        folder.config.remove("rope_parameters");
        folder.config.put("architectures", List.of(model + "ForCausalLM"));
        try (var stored = StoredModel.open(folder.write(directory))) {
            assertEquals(value, stored.metadata().number(key), model);
        }
    }

    private StoredModel model(Map<String, ?> config) throws IOException {
        var folder = new SafetensorsFolder();
        folder.config.put("num_hidden_layers", 4);
        folder.config.putAll(config);
        return StoredModel.open(folder.write(directory));
    }

    @Test
    void namesOfClassesAndTypesAreThoseOfGguf() throws IOException {
        for (var name : Map.of(
                        "MixtralForCausalLM", "llama",
                        "Qwen3MoeForCausalLM", "qwen3moe",
                        "Olmo3ForCausalLM", "olmo2",
                        "GptOssForCausalLM", "gpt-oss",
                        "SmolLM3ForCausalLM", "smollm3")
                .entrySet()) {
            try (var model = model(Map.of("architectures", List.of(name.getKey())))) {
                assertEquals(name.getValue(), model.metadata().string("general.architecture"));
            }
        }
        var text = Map.of("model_type", "ministral3", "num_hidden_layers", 3);
        var config = Map.of("architectures", List.of("Mistral3ForConditionalGeneration"), "text_config", text);
        try (var model = model(config)) {
            assertEquals("mistral3", model.metadata().string("general.architecture"));
            assertEquals(3, model.metadata().integer("mistral3.block_count"));
        }
    }

    @Test
    void windowsMayHaveAPattern() throws IOException {
        for (var pattern : List.of(4, "LLLG")) {
            try (var model = model(Map.of(
                    "architectures",
                    List.of("Exaone4ForCausalLM"),
                    "sliding_window",
                    32,
                    "sliding_window_pattern",
                    pattern))) {
                assertArrayEquals(
                        new int[] {1, 1, 1, 0}, model.metadata().list("exaone4.attention.sliding_window_pattern"));
            }
        }
    }

    @Test
    void layersMayHaveNoPositions() throws IOException {
        var name = Map.of("architectures", List.of("SmolLM3ForCausalLM"));
        try (var model = model(name)) {
            assertArrayEquals(new int[] {1, 1, 1, 0}, model.metadata().list("smollm3.attention.rope_pattern"));
        }
        try (var model =
                model(Map.of("architectures", List.of("SmolLM3ForCausalLM"), "no_rope_layers", List.of(0, 1, 1, 0)))) {
            assertArrayEquals(new int[] {0, 1, 1, 0}, model.metadata().list("smollm3.attention.rope_pattern"));
        }
    }

    @Test
    void yarnExtendsTheContextThatItStartsFrom() throws IOException {
        var yarn = Map.of("type", "yarn", "factor", 4, "original_max_position_embeddings", 64);
        try (var model = model(Map.of("max_position_embeddings", 64, "rope_parameters", yarn))) {
            assertEquals(256, model.metadata().integer("llama.context_length"));
        }
        try (var model = model(Map.of("max_position_embeddings", 256, "rope_parameters", yarn))) {
            assertEquals(256, model.metadata().integer("llama.context_length"));
        }
    }

    @Test
    void gemmasDefaultsAreThoseOfItsClass() throws IOException {
        var folder = new SafetensorsFolder();
        folder.config.clear();
        folder.config.putAll(Map.of(
                "architectures",
                List.of("Gemma3ForConditionalGeneration"),
                "text_config",
                Map.of("model_type", "gemma3_text", "num_hidden_layers", 2, "hidden_size", 8)));
        try (var model = StoredModel.open(folder.write(directory))) {
            assertEquals(8, model.metadata().integer("gemma3.attention.head_count"));
            assertEquals(256, model.metadata().integer("gemma3.attention.key_length"));
            assertEquals(1 / 16f, model.metadata().number("gemma3.attention.scale"));
            assertEquals(1e6f, model.metadata().number("gemma3.rope.freq_base"));
            assertEquals(1e4f, model.metadata().number("gemma3.rope.freq_base_swa"));
        }
    }
}
