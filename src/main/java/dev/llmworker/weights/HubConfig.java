package dev.llmworker.weights;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.weights.content.Metadata;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.Tensor;
import dev.llmworker.weights.content.Value;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// Converts `config.json` into the metadata that a GGUF file of the model would have.
final class HubConfig {
    static final String NAME = "config.json";

    private static final int MAX_BYTES = 4 << 20;
    /// The names in `config.json` by GGUF's key after the architecture's name. If it has several, the first one counts.
    private static final Map<String, String[]> FIELDS = Map.ofEntries(
            field("block_count", "num_hidden_layers"),
            field("embedding_length", "hidden_size"),
            field("feed_forward_length", "intermediate_size"),
            field("attention.head_count", "num_attention_heads"),
            field("attention.head_count_kv", "num_key_value_heads"),
            field("attention.key_length", "head_dim"),
            field("attention.layer_norm_rms_epsilon", "rms_norm_eps"),
            field("attention.scale", "attention_multiplier"),
            field("attention.sliding_window", "sliding_window"),
            field("attn_logit_softcapping", "attn_logit_softcapping"),
            field("final_logit_softcapping", "final_logit_softcapping"),
            field("attention.shared_kv_layers", "num_kv_shared_layers"),
            field("embedding_length_per_layer_input", "hidden_size_per_layer_input"),
            field("embedding_scale", "embedding_multiplier"),
            field("residual_scale", "residual_multiplier"),
            field("logit_scale", "logits_scaling"),
            field("expert_count", "num_local_experts", "num_experts"),
            field("expert_used_count", "num_experts_per_tok", "top_k_experts"),
            field("expert_feed_forward_length", "moe_intermediate_size"),
            field("expert_shared_feed_forward_length", "shared_expert_intermediate_size"),
            field("expert_weights_norm", "norm_topk_prob"),
            field("expert_weights_scale", "routed_scaling_factor"),
            field("full_attention_interval", "full_attention_interval"),
            field("ssm.conv_kernel", "linear_conv_kernel_dim"),
            field("ssm.state_size", "linear_key_head_dim"),
            field("ssm.group_count", "linear_num_key_heads"),
            field("ssm.time_step_rank", "linear_num_value_heads"),
            field("activation", "hidden_activation", "hidden_act"),
            field("context_length", "max_position_embeddings"),
            field("vocab_size", "vocab_size"));
    /// Fields that change what a model computes, and the only values that are supported.
    private static final Map<String, Set<String>> ONLY = Map.ofEntries(
            Map.entry("use_bidirectional_attention", Set.of("false", "\"vision\"")),
            Map.entry("is_causal", Set.of("true")),
            Map.entry("position_embedding_type", Set.of("\"rope\"")),
            Map.entry("alibi", Set.of("false")),
            Map.entry("clip_qkv", Set.of()),
            Map.entry("attention_chunk_size", Set.of()),
            Map.entry("attn_output_gate", Set.of("false")),
            Map.entry("kv_lora_rank", Set.of()),
            Map.entry("num_kv_shared_layers", Set.of("0")),
            Map.entry("hidden_size_per_layer_input", Set.of("0")),
            Map.entry("decoder_sparse_step", Set.of("1")),
            Map.entry("mlp_only_layers", Set.of("[]")),
            Map.entry("first_k_dense_replace", Set.of("0")),
            Map.entry("n_shared_experts", Set.of("0")),
            Map.entry("shared_expert_intermediate_size", Set.of("0")),
            Map.entry("scoring_func", Set.of("\"softmax\"")),
            Map.entry("swiglu_alpha", Set.of("1.702")),
            Map.entry("swiglu_limit", Set.of("7.0", "7")));

    private static final double DEFAULT_EPSILON = 1e-6;

    private final HubFields fields;
    private final String prefix;
    private final Map<String, Value> values = new HashMap<>();
    private final Map<String, Metadata.Source> sources = new HashMap<>();
    private final Metadata metadata;
    private @Nullable Quantisation quantisation;

    private HubConfig(HubFields fields) {
        this.fields = fields;
        prefix = fields.architecture() + ".";
        metadata = new Metadata(fields.file().file(), values, sources);
    }

    private static Map.Entry<String, String[]> field(String key, String... names) {
        return Map.entry(key, names);
    }

    /// @param check comes before all fields that say more than the architecture
    static HubConfig read(Path file, StoredModel.Check check) throws IOException {
        var fields = new HubFields(JsonFile.read(file, MAX_BYTES));
        var config = new HubConfig(fields);
        config.values.put("general.architecture", new Value.Text(fields.architecture()));
        config.sources.put(
                "general.architecture", new Metadata.Source(file, fields.architectureSource(), fields.written()));
        check.require(config.metadata);
        config.quantisation = Quantisation.of(fields);
        config.checkParts();
        for (var field : FIELDS.entrySet()) {
            var name = fields.first(field.getValue());
            config.put(field.getKey(), name, fields.get(name));
        }
        config.values.putIfAbsent(config.prefix + "attention.layer_norm_rms_epsilon", Value.number(DEFAULT_EPSILON));
        config.scale();
        config.windows();
        config.recurrent();
        config.positions();
        new HubRope(fields, config.metadata, config.prefix).put(config);
        return config;
    }

    /// How the matrices are quantised; null if each tensor's type says it.
    @Nullable
    Quantisation quantisation() {
        return quantisation;
    }

    /// Rejects settings that would change the computation but do not show in the tensors' names.
    private void checkParts() throws ModelFileException {
        for (var only : ONLY.entrySet()) {
            var value = fields.get(only.getKey());
            if (fields.has(only.getKey())
                    && !fields.owns(only.getKey())
                    && !only.getValue().contains(value.toString())) {
                throw fields.problem(
                        only.getKey(),
                        "is " + value + "; supported: "
                                + only.getValue().stream()
                                        .sorted()
                                        .map(some -> some + " or ")
                                        .collect(Collectors.joining())
                                + "none");
            }
        }
    }

    /// Gemma's scores are divided by the root of a number that the file has.
    private void scale() throws ModelFileException {
        var field = "query_pre_attn_scalar";
        if (fields.has(field)) {
            var scalar = fields.get(field).asDouble();
            if (!(scalar > 0)) {
                throw fields.problem(field, "is " + fields.get(field) + "; it must be above 0");
            }
            put("attention.scale", field, Value.number(1 / Math.sqrt(scalar)));
        }
    }

    /// Which layers have the window. There is none if no layer has it.
    private void windows() throws ModelFileException {
        var size = prefix + "attention.sliding_window";
        var used = fields.mayHaveWindows() && fields.get("use_sliding_window").asBoolean(true);
        if (!used || fields.get("sliding_window").asInt() == 0) {
            if (fields.mayHaveOwnLayers()) {
                throw fields.problem("sliding_window", "is missing; expected the window of some layers");
            }
            values.remove(size);
            return;
        }
        var layers = layers();
        var name =
                fields.first("layer_types", "sliding_window_pattern", "_sliding_window_pattern", "max_window_layers");
        if (!fields.mayHavePattern() || !fields.has(name)) {
            return;
        }
        if (name.equals("layer_types")) {
            checkLength(name, layers);
        }
        var slide = new boolean[layers];
        var some = false;
        for (var layer = 0; layer < layers; layer++) {
            slide[layer] = slides(name, fields.get(name), layer);
            some |= slide[layer];
        }
        if (fields.mayHaveOwnLayers()) {
            slide[layers - 1] = false;
            new HubLayers(fields, metadata, prefix, slide).put(this);
        }
        if (some) {
            put("attention.sliding_window_pattern", name, Value.flags(slide));
        } else {
            values.remove(size);
        }
    }

    /// Which layers are recurrent, and the values of their heads together.
    private void recurrent() throws ModelFileException {
        if (!fields.has("linear_num_value_heads")) {
            return;
        }
        var inner = fields.get("linear_num_value_heads").asLong()
                * fields.get("linear_value_head_dim").asLong();
        put("ssm.inner_size", "linear_value_head_dim", Value.integer(inner));
        var name = "layer_types";
        if (!fields.has(name)) {
            return;
        }
        var recurrent = new boolean[layers()];
        checkLength(name, recurrent.length);
        for (var layer = 0; layer < recurrent.length; layer++) {
            recurrent[layer] = isKind(name, layer, "linear_attention");
        }
        put("attention.recurrent_layers", name, Value.flags(recurrent));
    }

    /// Whether a layer has attention of the kind `other`, and not full attention.
    private boolean isKind(String name, int layer, String other) throws ModelFileException {
        var kind = fields.get(name).path(layer);
        if (!kind.asText().equals("full_attention") && !kind.asText().equals(other)) {
            throw fields.problem(name, "has " + kind + "; supported: full_attention, " + other);
        }
        return kind.asText().equals(other);
    }

    private boolean slides(String name, JsonNode node, int layer) throws ModelFileException {
        return switch (name) {
            case "layer_types" -> isKind(name, layer, "sliding_attention");
            case "max_window_layers" -> layer >= node.asInt();
            default ->
                node.isTextual() && !node.textValue().isEmpty()
                        // For example LLLG: three local layers, then a global one.
                        ? node.textValue().charAt(layer % node.textValue().length()) == 'L'
                        : node.asInt() > 0 && (layer + 1) % node.asInt() != 0;
        };
    }

    /// Which layers have rotary positions.
    private void positions() throws ModelFileException {
        var name = fields.first("no_rope_layers", "no_rope_layer_interval");
        if (!fields.has(name)) {
            return;
        }
        var node = fields.get(name);
        var turn = new boolean[layers()];
        if (name.equals("no_rope_layers")) {
            checkLength(name, turn.length);
        }
        for (var layer = 0; layer < turn.length; layer++) {
            turn[layer] = node.isArray()
                    ? node.path(layer).asInt(1) != 0
                    : node.asInt() <= 0 || (layer + 1) % node.asInt() != 0;
        }
        put("attention.rope_pattern", name, Value.flags(turn));
    }

    private void checkLength(String name, int layers) throws ModelFileException {
        var values = fields.get(name).size();
        if (values != layers) {
            throw fields.problem(name, "has " + values + " values; expected one for each of the " + layers + " layers");
        }
    }

    private int layers() throws ModelFileException {
        var key = prefix + "block_count";
        var layers = metadata.integer(key, 1);
        if (layers < 1 || layers > Gguf.MAX_BLOCKS) {
            throw metadata.problem(key, "is " + layers + "; expected 1 to " + Gguf.MAX_BLOCKS);
        }
        return layers;
    }

    /// @param key GGUF's key after the architecture's name
    /// @param name the name in the file, for messages
    /// @param node null in JSON counts as missing
    void put(String key, String name, JsonNode node) throws ModelFileException {
        var value = value(name, node);
        if (value == null) {
            sources.put(prefix + key, new Metadata.Source(fields.file().file(), name));
        } else {
            put(key, name, value);
        }
    }

    void put(String key, String name, Value value) {
        sources.put(prefix + key, new Metadata.Source(fields.file().file(), name));
        values.put(prefix + key, value);
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
                throw fields.problem(name, "is an " + node.getNodeType() + "; expected a number, text or flag");
        };
    }

    /// Adds the tensors that follow from the configuration, and checks the others against it.
    ///
    /// @param arena holds the added tensors
    void complete(Map<String, Tensor> tensors, Arena arena) throws ModelFileException {
        var tied = fields.get("tie_word_embeddings");
        if (tied.asBoolean()) {
            // Some files have the head although it is a copy of the embedding.
            tensors.remove(HubTensorNames.HEAD);
        } else if (tied.isBoolean() && !tensors.containsKey(HubTensorNames.HEAD) && !fields.isWithoutHead()) {
            throw fields.problem("tie_word_embeddings", "is false, but the files have no tensor lm_head.weight");
        }
        var embedding = tensors.get(HubTensorNames.EMBEDDING);
        var vocabulary = metadata.integer(prefix + "vocab_size", 0);
        if (embedding != null && vocabulary != 0 && embedding.rows() != vocabulary) {
            throw embedding.problem("has " + embedding.rows() + " rows; vocab_size in config.json is " + vocabulary);
        }
        layers();
        for (var factors : new HubRope(fields, metadata, prefix).factors(arena)) {
            tensors.put(factors.name(), factors);
        }
    }

    /// Adds how the vectors of texts are made.
    void pool(HubModules modules) {
        if (modules.pooling() > 0) {
            var key = prefix + "pooling_type";
            values.put(key, Value.integer(modules.pooling()));
            sources.put(key, new Metadata.Source(modules.file(), "pooling_mode"));
        }
    }

    Metadata metadata() {
        return metadata;
    }
}
