package dev.llmworker.model;

import dev.llmworker.model.Attention.HeadNorm;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.Tensor;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/// The tensors of a layer, by GGUF's names, and their shapes. A file may have some matrices joined.
///
/// @param block what the names begin with: `blk.0.`
/// @param joinedAttention the name of the one matrix of queries, keys and values: `attn_qkv`; empty if they are three
/// @param joinedFeedForward whether gate and values are one matrix, `ffn_up`, or `ffn_gate_up_exps` of all experts
/// @param separateExperts whether each expert's matrices are tensors of their own: `ffn_up.0`
/// @param transposedExperts whether gates and values of all experts are column by column, and alternate
/// @param alternatingExperts whether they are row by row, and alternate
/// @param transposedDown whether the last matrices of all experts are column by column
/// @param vectors those that a program takes as they are in the file, by the role that they have there, in the order
///     in which it takes them
/// @param unused tensors that the file may have, but the layer does without
public record LayerTensors(
        String block,
        String joinedAttention,
        boolean joinedFeedForward,
        boolean separateExperts,
        boolean transposedExperts,
        boolean alternatingExperts,
        boolean transposedDown,
        Map<String, long[]> shapes,
        Map<String, List<String>> vectors,
        Set<String> unused) {

    /// Tensors of an expert that is stored on its own.
    public static final int MATRICES_OF_EXPERT = 3;

    /// InternLM 2 has the queries of each key head before it, and then its value head. GGUF has no such tensors.
    private static final String GROUPED = "attn_qkv_grouped";

    private static final Pattern OF_EXPERTS = Pattern.compile("blk\\.\\d+\\.ffn_\\w+(_exps.*|\\.\\d+)\\.weight");
    /// The factor of the decay in a [DeltaNet].
    public static final String DECAY = "ssm_a";
    /// The logarithm of the same, without its sign. GGUF has no such tensor.
    public static final String DECAY_OF_HUB = "ssm_a_log.weight";

    /// Qwen3-Next has the rows of all that belongs to a key head together.
    public static final String GROUPED_DELTA = "ssm_in.weight";

    public static final String GROUPED_SHARES = "ssm_ba.weight";

    private static final String FEED_FORWARD_NORM = "ffn_norm.weight";
    private static final String FEED_FORWARD_NORM_OF_GPT_OSS = "post_attention_norm.weight";

    public static LayerTensors of(StoredModel model, ModelConfig config, int index) {
        var block = "blk." + index + ".";
        var has = model.tensors();
        var layer = config.layers().get(index);
        var tensors = new LayerTensors(
                block,
                layer.mixer() instanceof Attention attention ? joinedAttention(attention, has, block) : "",
                layer.feedForward().experts() == null
                        ? joins(model, block, layer.feedForward().width())
                        : has.containsKey(block + "ffn_gate_up_exps.weight"),
                layer.feedForward().experts() != null && hasSeparateExperts(has, index),
                has.containsKey(block + "ffn_gate_up_exps_transposed.weight"),
                has.containsKey(block + "ffn_gate_up_exps_alternating.weight"),
                has.containsKey(block + "ffn_down_exps_transposed.weight"),
                new LinkedHashMap<>(),
                new LinkedHashMap<>(),
                new HashSet<>());
        tensors.addNorms(
                layer.norms(),
                config.hidden(),
                has.containsKey(block + FEED_FORWARD_NORM_OF_GPT_OSS) && !has.containsKey(block + FEED_FORWARD_NORM));
        switch (layer.mixer()) {
            case Attention attention -> tensors.addAttention(attention, config.hidden());
            case DeltaNet delta -> tensors.addDelta(delta, config.hidden(), model);
        }
        var experts = layer.feedForward().experts();
        if (experts == null) {
            tensors.addFeedForward(layer.feedForward(), config.hidden());
        } else {
            tensors.addExperts(layer.feedForward(), experts, config.hidden());
            tensors.addShared(experts, config.hidden());
        }
        tensors.addLayerInput(config.layerInput(), config.hidden());
        if (layer.scaled()) {
            tensors.addVector("layer_scale", "layer_output_scale.weight", 1);
        }
        return tensors;
    }

    /// The one matrix of all that attention takes. Such a matrix has no gates, and it has keys and values.
    private static String joinedAttention(Attention attention, Map<String, Tensor> has, String block) {
        if (attention.gated() || !attention.hasKeys() || attention.valuesAreKeys()) {
            return "";
        }
        return Stream.of("attn_qkv", GROUPED)
                .filter(name -> has.containsKey(block + name + ".weight"))
                .findFirst()
                .orElse("");
    }

    /// Whether gate and values are one matrix.
    private static boolean joins(StoredModel model, String block, int width) {
        var up = model.tensors().get(block + "ffn_up.weight");
        return !model.tensors().containsKey(block + "ffn_gate.weight") && up != null && up.rows() == 2L * width;
    }

    /// Whether a layer has a tensor for each matrix of each expert, as old files do.
    public static boolean hasSeparateExperts(Map<String, Tensor> tensors, int layer) {
        return tensors.containsKey("blk." + layer + ".ffn_up.0.weight");
    }

    /// Whether a tensor belongs to one of the layers.
    public static boolean isOfLayer(String name) {
        return name.startsWith("blk.");
    }

    /// Whether a tensor has a part for each expert.
    public static boolean isOfAllExperts(String name) {
        return name.contains("_exps");
    }

    /// The part of a tensor that is used for a token: of the experts' matrices that of the chosen ones.
    public static double shareUsed(String name, ModelConfig config) {
        var experts = config.layers().stream()
                .map(layer -> layer.feedForward().experts())
                .filter(Objects::nonNull)
                .findFirst();
        return experts.isEmpty() || !OF_EXPERTS.matcher(name).matches()
                ? 1
                : (double) experts.get().used() / experts.get().count();
    }

    private void addNorms(Layer.Norms norms, int hidden, boolean ofGptOss) {
        if (norms.before()) {
            addVector("attention_norm", "attn_norm.weight", hidden);
            var isOther = ofGptOss && !norms.after();
            addVector("feed_forward_norm", isOther ? FEED_FORWARD_NORM_OF_GPT_OSS : FEED_FORWARD_NORM, hidden);
        }
        if (norms.after()) {
            addVector("attention_post_norm", "post_attention_norm.weight", hidden);
            addVector("feed_forward_post_norm", "post_ffw_norm.weight", hidden);
        }
    }

    public boolean joinsAttention() {
        return !joinedAttention.isEmpty();
    }

    /// Whether the joined matrix has all that belongs to a key head together.
    public boolean groupsAttention() {
        return joinedAttention.equals(GROUPED);
    }

    /// Whether one matrix has the queries, keys, values and gates of each key head of a [DeltaNet] together.
    public boolean groupsDelta() {
        return shapes.containsKey(block + GROUPED_DELTA);
    }

    /// Whether one matrix has what writing and fading depend on, likewise.
    public boolean groupsShares() {
        return shapes.containsKey(block + GROUPED_SHARES);
    }

    private void addDelta(DeltaNet delta, int hidden, StoredModel model) {
        if (model.tensors().containsKey(block + GROUPED_DELTA)) {
            add(GROUPED_DELTA, hidden, delta.channels() + (long) delta.valueWidth());
        } else {
            add("attn_qkv.weight", hidden, delta.channels());
            add("attn_gate.weight", hidden, delta.valueWidth());
        }
        if (model.tensors().containsKey(block + GROUPED_SHARES)) {
            add(GROUPED_SHARES, hidden, 2L * delta.valueHeads());
        } else {
            add("ssm_beta.weight", hidden, delta.valueHeads());
            add("ssm_alpha.weight", hidden, delta.valueHeads());
        }
        if (model.fromHub()) {
            add("ssm_conv1d.weight", delta.kernel(), 1, delta.channels());
            add(DECAY_OF_HUB, delta.valueHeads());
        } else {
            add("ssm_conv1d.weight", delta.kernel(), delta.channels());
            add(DECAY, delta.valueHeads());
        }
        add("ssm_dt.bias", delta.valueHeads());
        add("ssm_norm.weight", delta.valueDim());
        add("ssm_out.weight", delta.valueWidth(), hidden);
    }

    private void addAttention(Attention attention, int hidden) {
        // With a gate, each head of queries has its gate behind it.
        long gates = attention.gated() ? 2 : 1;
        long queries = attention.queryWidth(), keys = attention.keyWidth();
        if (joinsAttention()) {
            add(joinedAttention + ".weight", hidden, queries + 2 * keys);
        } else {
            add("attn_q.weight", hidden, gates * queries);
            addKeys(attention, "weight", hidden, keys);
        }
        if (attention.biased() && joinsAttention()) {
            add(joinedAttention + ".bias", queries + 2 * keys);
        } else if (attention.biased()) {
            add("attn_q.bias", gates * queries);
            addKeys(attention, "bias", keys);
        }
        if (attention.norm() != HeadNorm.NONE) {
            var each = attention.norm() == HeadNorm.EACH;
            add("attn_q_norm.weight", each ? attention.headDim() : queries);
            addIf(attention.hasKeys(), "attn_k_norm.weight", each ? attention.headDim() : keys);
        }
        if (attention.sinks()) {
            addVector("sinks", "attn_sinks.weight", attention.heads());
        }
        add("attn_output.weight", queries, hidden);
        if (attention.outputBiased()) {
            addVector("attention_output_bias", "attn_output.bias", hidden);
        }
    }

    private void addKeys(Attention attention, String kind, long... shape) {
        addIf(attention.hasKeys(), "attn_k." + kind, shape);
        if (!attention.valuesAreKeys()) {
            addIf(attention.hasKeys(), "attn_v." + kind, shape);
        }
    }

    private void addFeedForward(FeedForward block, int hidden) {
        var width = block.width();
        if (joinedFeedForward) {
            add("ffn_up.weight", hidden, 2L * width);
        } else {
            add("ffn_gate.weight", hidden, width);
            add("ffn_up.weight", hidden, width);
        }
        add("ffn_down.weight", width, hidden);
        if (block.biased()) {
            addVector("gate_up_bias", "ffn_gate.bias", width);
            addVector("gate_up_bias", "ffn_up.bias", width);
            addVector("down_bias", "ffn_down.bias", hidden);
        }
    }

    private void addExperts(FeedForward block, FeedForward.Experts experts, int hidden) {
        long width = block.width(), count = experts.count();
        add("ffn_gate_inp.weight", hidden, count);
        if (experts.routerBiased()) {
            addVector("router_bias", "ffn_gate_inp.bias", count);
        }
        if (separateExperts) {
            for (var expert = 0; expert < count; expert++) {
                add("ffn_gate." + expert + ".weight", hidden, width);
                add("ffn_up." + expert + ".weight", hidden, width);
                add("ffn_down." + expert + ".weight", width, hidden);
            }
        } else {
            addGateUp(hidden, width, count);
            if (transposedDown) {
                add("ffn_down_exps_transposed.weight", hidden, width, count);
            } else {
                add("ffn_down_exps.weight", width, hidden, count);
            }
        }
        if (block.biased()) {
            addBiases(hidden, width, count);
        }
    }

    /// Gates and values of all experts.
    private void addGateUp(int hidden, long width, long count) {
        if (transposedExperts) {
            add("ffn_gate_up_exps_transposed.weight", 2 * width, hidden, count);
        } else if (alternatingExperts) {
            add("ffn_gate_up_exps_alternating.weight", hidden, 2 * width, count);
        } else if (joinedFeedForward) {
            add("ffn_gate_up_exps.weight", hidden, 2 * width, count);
        } else {
            add("ffn_gate_exps.weight", hidden, width, count);
            add("ffn_up_exps.weight", hidden, width, count);
        }
    }

    private void addBiases(int hidden, long width, long count) {
        if (transposedExperts || alternatingExperts) {
            add("ffn_gate_up_exps_transposed.bias", 2 * width, count);
        } else if (joinedFeedForward) {
            add("ffn_gate_up_exps.bias", 2 * width, count);
        } else {
            add("ffn_gate_exps.bias", width, count);
            add("ffn_up_exps.bias", width, count);
        }
        add("ffn_down_exps.bias", hidden, count);
    }

    /// A matrix of the block that all tokens take beside the experts.
    public static String ofShared(FeedForward.Experts experts, String matrix) {
        return matrix + (experts.apart() ? "" : "_shexp") + ".weight";
    }

    /// The block that all tokens take beside the experts, and what stands apart from it.
    private void addShared(FeedForward.Experts experts, int hidden) {
        if (experts.sharedWidth() > 0) {
            add(ofShared(experts, "ffn_gate"), hidden, experts.sharedWidth());
            add(ofShared(experts, "ffn_up"), hidden, experts.sharedWidth());
            add(ofShared(experts, "ffn_down"), experts.sharedWidth(), hidden);
        }
        if (experts.sharedWidth() > 0 && !experts.apart()) {
            addVector("shared_gate", "ffn_gate_inp_shexp.weight", hidden);
        }
        if (experts.scaled()) {
            addVector("expert_scales", "ffn_down_exps.scale", experts.count());
        }
        if (experts.apart()) {
            addVector("router_norm", "ffn_gate_inp.scale", hidden);
            addVector("experts_norm", "pre_ffw_norm_2.weight", hidden);
            addVector("shared_post_norm", "post_ffw_norm_1.weight", hidden);
            addVector("experts_post_norm", "post_ffw_norm_2.weight", hidden);
        }
    }

    private void addLayerInput(int width, int hidden) {
        if (width > 0) {
            add("inp_gate.weight", hidden, width);
            add("proj.weight", width, hidden);
            addVector("input_post_norm", "post_norm.weight", hidden);
        }
    }

    /// A tensor that the file may also have if it is not used.
    private void addIf(boolean used, String part, long... shape) {
        if (used) {
            add(part, shape);
        } else {
            unused.add(block + part);
        }
    }

    private void addVector(String role, String part, long size) {
        add(part, size);
        vectors.computeIfAbsent(role, _ -> new ArrayList<>()).add(part);
    }

    private void add(String part, long... shape) {
        shapes.put(block + part, shape);
    }
}
