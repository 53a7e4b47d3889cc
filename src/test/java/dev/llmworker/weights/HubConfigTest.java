package dev.llmworker.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A window counts only if a layer has one, as in transformers.
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
        // Only the first two are layers of this model.
        assertEquals(
                NONE,
                window("Qwen3", used("layer_types", List.of("full_attention", "full_attention", "sliding_attention"))));
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
}
