package dev.llmworker.weights;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Converts `config.json` into the metadata that a GGUF file of the model would have.
final class HubConfig {
    static final String NAME = "config.json";

    private static final int MAX_BYTES = 4 << 20;
    private static final Map<String, String> ARCHITECTURES = Map.of(
            "LlamaForCausalLM", "llama",
            "MistralForCausalLM", "llama",
            "Qwen2ForCausalLM", "qwen2",
            "Qwen3ForCausalLM", "qwen3");
    /// The names in `config.json` by GGUF's key after the architecture's name.
    private static final Map<String, String> FIELDS = Map.ofEntries(
            Map.entry("block_count", "num_hidden_layers"),
            Map.entry("embedding_length", "hidden_size"),
            Map.entry("feed_forward_length", "intermediate_size"),
            Map.entry("attention.head_count", "num_attention_heads"),
            Map.entry("attention.head_count_kv", "num_key_value_heads"),
            Map.entry("attention.key_length", "head_dim"),
            Map.entry("attention.layer_norm_rms_epsilon", "rms_norm_eps"),
            Map.entry("context_length", "max_position_embeddings"),
            Map.entry("attention.sliding_window", "sliding_window"),
            Map.entry("vocab_size", "vocab_size"));
    private static final double DEFAULT_EPSILON = 1e-6;
    /// The window if the configuration does not say.
    private static final int DEFAULT_WINDOW = 4096;
    /// Qwen's first layers that have no window, if its configuration does not say.
    private static final int DEFAULT_FULL_LAYERS = 28;

    private final JsonFile json;
    private final String prefix;
    private final Map<String, Value> values = new HashMap<>();
    private final Map<String, Metadata.Source> sources = new HashMap<>();
    private final Metadata metadata;

    private HubConfig(JsonFile json, String architecture) {
        this.json = json;
        prefix = architecture + ".";
        metadata = new Metadata(json.file(), values, sources);
    }

    static HubConfig read(Path file) throws IOException {
        var json = JsonFile.read(file, MAX_BYTES);
        var named = architecture(json);
        var config = new HubConfig(json, ARCHITECTURES.getOrDefault(named, named));
        config.values.put("general.architecture", new Value.Text(ARCHITECTURES.getOrDefault(named, named)));
        config.sources.put("general.architecture", new Metadata.Source(file, "architectures"));
        config.checkParts();
        for (var field : FIELDS.entrySet()) {
            config.put(field.getKey(), field.getValue(), json.get(field.getValue()));
        }
        config.values.putIfAbsent(config.prefix + "attention.layer_norm_rms_epsilon", Value.number(DEFAULT_EPSILON));
        config.window(named);
        new HubRope(json, config.prefix).put(config);
        // The file does not say so, but transformers stores all models in this order.
        config.values.put(config.prefix + "rope.half_split", Value.flag(true));
        return config;
    }

    private static String architecture(JsonFile json) throws ModelFileException {
        var named = json.get("architectures");
        if (named.size() != 1 || !named.get(0).isTextual()) {
            throw json.problem(
                    "architectures",
                    "is " + (named.isMissingNode() ? "missing" : named)
                            + "; expected one name, such as LlamaForCausalLM");
        }
        return named.get(0).textValue();
    }

    /// Rejects settings that would change the computation but do not show in the tensors' names.
    private void checkParts() throws ModelFileException {
        if (json.has("quantization_config")) {
            throw json.problem(
                    "quantization_config",
                    "has quant_method " + json.get("quantization_config").path("quant_method")
                            + "; supported: weights in F32, F16 and BF16, and quantised ones in GGUF files");
        }
        var activation = json.get("hidden_act");
        if (!activation.isMissingNode() && !activation.asText().equals("silu")) {
            throw json.problem("hidden_act", "is " + activation + "; supported: silu");
        }
        var turning = json.get("partial_rotary_factor");
        if (!turning.isMissingNode() && turning.asDouble() != 1) {
            throw json.problem("partial_rotary_factor", "is " + turning + "; supported: 1");
        }
    }

    /// Removes a window that no layer has, and adds the usual one if the file does not say.
    private void window(String architecture) throws ModelFileException {
        var key = prefix + "attention.sliding_window";
        var slides = switch (architecture) {
            case "MistralForCausalLM" -> true;
            case "Qwen2ForCausalLM", "Qwen3ForCausalLM" ->
                json.get("use_sliding_window").asBoolean() && aLayerSlides();
            default -> false;
        };
        if (!slides) {
            values.remove(key);
        } else if (json.get("sliding_window").isMissingNode()) {
            values.put(key, Value.integer(DEFAULT_WINDOW));
        }
    }

    /// Whether a layer of a Qwen model uses the window.
    private boolean aLayerSlides() throws ModelFileException {
        var layers = metadata.integer(prefix + "block_count", 1);
        var types = json.get("layer_types");
        if (!types.isArray()) {
            return json.get("max_window_layers").asInt(DEFAULT_FULL_LAYERS) < layers;
        }
        var slides = false;
        for (var layer = 0; layer < Math.min(layers, types.size()); layer++) {
            switch (types.get(layer).asText()) {
                case "full_attention" -> {}
                case "sliding_attention" -> slides = true;
                default ->
                    throw json.problem(
                            "layer_types",
                            "has " + types.get(layer) + "; supported: full_attention, sliding_attention");
            }
        }
        return slides;
    }

    /// @param key GGUF's key after the architecture's name
    /// @param name the name in the file, for messages
    /// @param node null in JSON counts as missing
    void put(String key, String name, JsonNode node) throws ModelFileException {
        sources.put(prefix + key, new Metadata.Source(json.file(), name));
        var value = value(name, node);
        if (value != null) {
            values.put(prefix + key, value);
        }
    }

    private @Nullable Value value(String name, JsonNode node) throws ModelFileException {
        return switch (node.getNodeType()) {
            case MISSING, NULL -> null;
            case STRING -> new Value.Text(node.textValue());
            case BOOLEAN -> Value.flag(node.booleanValue());
            case NUMBER ->
                node.canConvertToLong() && node.isIntegralNumber()
                        ? Value.integer(node.longValue())
                        : Value.number(node.doubleValue());
            case ARRAY, OBJECT, BINARY, POJO ->
                throw json.problem(name, "is an " + node.getNodeType() + "; expected a number, text or flag");
        };
    }

    /// Adds the tensors that follow from the configuration, and checks the others against it.
    ///
    /// @param arena holds the added tensors
    void complete(Map<String, Tensor> tensors, Arena arena) throws ModelFileException {
        var tied = json.get("tie_word_embeddings");
        if (tied.asBoolean()) {
            // Some files have the head although it is a copy of the embedding.
            tensors.remove(HubTensorNames.HEAD);
        } else if (tied.isBoolean() && !tensors.containsKey(HubTensorNames.HEAD)) {
            throw json.problem("tie_word_embeddings", "is false, but the files have no tensor lm_head.weight");
        }
        var embedding = tensors.get(HubTensorNames.EMBEDDING);
        var vocabulary = metadata.integer(prefix + "vocab_size", 0);
        if (embedding != null && vocabulary != 0 && embedding.rows() != vocabulary) {
            throw embedding.problem("has " + embedding.rows() + " rows; vocab_size in config.json is " + vocabulary);
        }
        var blocks = metadata.integer(prefix + "block_count", 1);
        if (blocks < 1 || blocks > Gguf.MAX_BLOCKS) {
            throw metadata.problem(prefix + "block_count", "is " + blocks + "; expected 1 to " + Gguf.MAX_BLOCKS);
        }
        var rotation = new HubRope(json, prefix);
        if (rotation.isLlama3()) {
            var factors = rotation.llama3Factors(metadata, arena);
            tensors.put(factors.name(), factors);
        }
    }

    Metadata metadata() {
        return metadata;
    }
}
