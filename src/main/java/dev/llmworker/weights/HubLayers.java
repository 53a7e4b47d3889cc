package dev.llmworker.weights;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.llmworker.weights.content.Metadata;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.Value;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

/// Reads what layers of Gemma 4 have of their own: the heads of those without a window, whose values may be their keys,
/// and the width of those that share keys. transformers has the heads in `global_head_dim` or, later, in
/// `per_layer_config`.
///
/// @param prefix of GGUF's keys
/// @param slide which layers have a window
record HubLayers(HubFields fields, Metadata metadata, String prefix, boolean[] slide) {
    private static final String EACH = "per_layer_config";
    private static final Pattern LAYER = Pattern.compile("[0-9]{1,6}");
    private static final String HEAD_DIM = "head_dim";
    private static final String KV_HEADS = "num_key_value_heads";
    private static final String SHARED_MATRIX = "attention_k_eq_v";
    private static final String DOUBLED = "use_double_wide_mlp";

    /// Adds to the metadata what a GGUF file would have.
    void put(HubConfig config) throws ModelFileException {
        heads(config);
        var sharedMatrix = fields.get(SHARED_MATRIX).asBoolean();
        var keysAreValues = new boolean[slide.length];
        for (var layer = 0; layer < slide.length; layer++) {
            keysAreValues[layer] = sharedMatrix && !slide[layer];
        }
        config.put("attention.values_are_keys", SHARED_MATRIX, Value.flags(keysAreValues));
        if (fields.get(DOUBLED).asBoolean()) {
            var width = metadata.integer(prefix + "feed_forward_length");
            var own = slide.length - metadata.integer(prefix + "attention.shared_kv_layers", 0);
            var widths = new long[slide.length];
            for (var layer = 0; layer < slide.length; layer++) {
                widths[layer] = layer < own ? width : 2L * width;
            }
            config.put("feed_forward_length", DOUBLED, Value.integers(widths));
        }
    }

    private void heads(HubConfig config) throws ModelFileException {
        long headDim = metadata.integer(prefix + "attention.key_length");
        long kvHeads = metadata.integer(prefix + "attention.head_count_kv");
        var globalDim = headDim;
        var owns = ofLayers();
        var counts = new long[slide.length];
        for (var layer = 0; layer < slide.length; layer++) {
            var dim = slide[layer] ? headDim : own(owns, layer, HEAD_DIM, "global_head_dim", headDim);
            if (!slide[layer] && globalDim != headDim && dim != globalDim) {
                throw fields.problem(
                        EACH, "has heads of " + globalDim + " and of " + dim + " in layers without a window");
            }
            globalDim = slide[layer] ? globalDim : dim;
            counts[layer] = slide[layer] ? kvHeads : own(owns, layer, KV_HEADS, globalKvHeads(), kvHeads);
        }
        config.put("attention.key_length", HEAD_DIM, Value.integer(globalDim));
        config.put("attention.key_length_swa", HEAD_DIM, Value.integer(headDim));
        config.put("attention.head_count_kv", KV_HEADS, Value.integers(counts));
    }

    /// The field of their number, which only counts if keys are values.
    private String globalKvHeads() {
        return fields.get(SHARED_MATRIX).asBoolean() ? "num_global_key_value_heads" : KV_HEADS;
    }

    /// @param field of all layers without a window
    private long own(Map<Integer, JsonNode> owns, int layer, String name, String field, long fallback)
            throws ModelFileException {
        var node = fields.has(EACH)
                ? owns.getOrDefault(layer, MissingNode.getInstance()).path(name)
                : fields.get(field);
        if (node.isMissingNode() || node.isNull()) {
            return fallback;
        }
        if (!node.canConvertToInt() || !node.isIntegralNumber()) {
            throw fields.problem(fields.has(EACH) ? EACH : field, "has " + node + "; expected an integer");
        }
        return node.asInt();
    }

    /// What layers have of their own, by their numbers, which may have zeros in front. Everything but heads is refused.
    private Map<Integer, JsonNode> ofLayers() throws ModelFileException {
        var owns = new HashMap<Integer, JsonNode>();
        for (var entry : fields.get(EACH).properties()) {
            var names = new ArrayList<String>();
            entry.getValue().fieldNames().forEachRemaining(names::add);
            names.removeAll(Set.of(HEAD_DIM, KV_HEADS));
            var layer = LAYER.matcher(entry.getKey()).matches() ? Integer.parseInt(entry.getKey()) : slide.length;
            var global = layer < slide.length && !slide[layer];
            if (!names.isEmpty() || !global) {
                throw fields.problem(
                        EACH,
                        "has " + entry.getKey() + ": " + entry.getValue() + "; supported: head_dim and "
                                + "num_key_value_heads of layers without a window");
            }
            owns.putIfAbsent(layer, entry.getValue());
        }
        return owns;
    }
}
