package dev.llmworker.weights;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.weights.content.TensorType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/// A small model as transformers saves it, to be damaged by tests: one block, two heads.
public final class SafetensorsFolder {
    private static final ObjectMapper JSON = new ObjectMapper();

    public final Map<String, Object> config = new LinkedHashMap<>();
    public final SafetensorsFile weights = new SafetensorsFile();
    private final Set<String> leftOut;

    public SafetensorsFolder() {
        this(32);
    }

    public SafetensorsFolder(int vocabulary) {
        this(vocabulary, 4);
    }

    public SafetensorsFolder(int vocabulary, int headDim) {
        this(vocabulary, headDim, Set.of());
    }

    /// @param leftOut names of tensors that the test adds in another form
    public SafetensorsFolder(int vocabulary, int headDim, Set<String> leftOut) {
        this.leftOut = leftOut;
        config.put("head_dim", headDim);
        config.put("architectures", new String[] {"LlamaForCausalLM"});
        config.put("num_hidden_layers", 1);
        config.put("hidden_size", 8);
        config.put("intermediate_size", 16);
        config.put("num_attention_heads", 2);
        config.put("num_key_value_heads", 1);
        config.put("max_position_embeddings", 64);
        config.put("rms_norm_eps", 1e-5);
        config.put("vocab_size", vocabulary);
        config.put("tie_word_embeddings", true);
        config.put(
                "rope_parameters",
                Map.of(
                        "rope_type", "llama3",
                        "rope_theta", 10_000.0,
                        "factor", 8,
                        "low_freq_factor", 1,
                        "high_freq_factor", 4,
                        "original_max_position_embeddings", 16));
        tensor("model.embed_tokens.weight", vocabulary, 8);
        var layer = "model.layers.0.";
        tensor(layer + "input_layernorm.weight", 8);
        tensor(layer + "self_attn.q_proj.weight", 2L * headDim, 8);
        tensor(layer + "self_attn.k_proj.weight", headDim, 8);
        tensor(layer + "self_attn.v_proj.weight", headDim, 8);
        tensor(layer + "self_attn.o_proj.weight", 8, 2L * headDim);
        tensor(layer + "post_attention_layernorm.weight", 8);
        tensor(layer + "mlp.gate_proj.weight", 16, 8);
        tensor(layer + "mlp.up_proj.weight", 16, 8);
        tensor(layer + "mlp.down_proj.weight", 8, 16);
        tensor("model.norm.weight", 8);
    }

    /// Adds a BF16 tensor of ones.
    public SafetensorsFolder tensor(String name, long... shape) {
        if (leftOut.contains(name)) {
            return this;
        }
        var elements = 1;
        for (var size : shape) {
            elements *= (int) size;
        }
        var values = new float[elements];
        Arrays.fill(values, 1);
        weights.tensor(name, TensorType.BF16, values, shape);
        return this;
    }

    public byte[] configBytes() throws IOException {
        return JSON.writeValueAsBytes(config);
    }

    public Path write(Path folder) throws IOException {
        Files.createDirectories(folder);
        Files.write(folder.resolve("config.json"), configBytes());
        weights.write(folder.resolve("model.safetensors"));
        return folder;
    }
}
