package dev.llmworker.weights;

import dev.llmworker.weights.content.Tensor;
import dev.llmworker.weights.content.TensorType;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;

/// The names of tensors in transformers and in GGUF. One name means one thing for all families, except for the norm
/// after attention: it may come before the feed-forward block or before the sum.
final class HubTensorNames {
    static final String EMBEDDING = "token_embd.weight";
    static final String HEAD = "output.weight";

    /// What text models have before their names, also within a model that sees or hears.
    private static final String PREFIX = "(?:(?:language_|text_)?model\\.)*";
    private static final Pattern OUTSIDE =
            Pattern.compile(PREFIX + "(?<name>(?:embed_tokens|tok_embeddings|norm|lm_head|output|embed_tokens_per_layer"
                    + "|per_layer_model_projection|per_layer_projection_norm)\\.weight)");
    private static final Pattern HUB_BLOCK = Pattern.compile(
            PREFIX + "layers\\.(?<block>0|[1-9]\\d{0,3})\\.(?<part>.+?)(?<kind>\\.weight|\\.bias|_bias)?");
    private static final Pattern HUB_EXPERT = Pattern.compile(
            "(?:mlp|block_sparse_moe)\\.experts\\.(?<expert>0|[1-9]\\d{0,3})\\.(?<part>gate_proj|up_proj|down_proj|w[123])");
    private static final Pattern GGUF_BLOCK =
            Pattern.compile("blk\\.(?<block>\\d+)\\.(?<part>\\w+)(?<expert>\\.\\d+)?\\.(?<kind>weight|bias)");
    /// Tensors that follow from the configuration; older checkpoints store them.
    private static final Pattern COMPUTED =
            Pattern.compile(PREFIX + "layers\\.\\d+\\.self_attn\\.rotary_emb\\.inv_freq");
    /// Parts for pictures and sound. Text does without.
    private static final Pattern TOWER = Pattern.compile(
            "(?:model\\.)?(?:vision_tower|vision_model|vision_encoder|visual"
                    + "|vision_projection|multi_modal_projector|audio_tower|audio_encoder|embed_vision|embed_audio)\\..+");

    /// Layers that predict tokens after the next.
    private static final Pattern DRAFT = Pattern.compile("(?:model\\.)?mtp\\..+");

    private static final Map<String, String> OUTSIDE_BLOCKS = Map.of(
            "embed_tokens.weight", EMBEDDING,
            "norm.weight", "output_norm.weight",
            "lm_head.weight", HEAD,
            "embed_tokens_per_layer.weight", "per_layer_token_embd.weight",
            "per_layer_model_projection.weight", "per_layer_model_proj.weight",
            "per_layer_projection_norm.weight", "per_layer_proj_norm.weight");
    private static final String GATE_UP = "ffn_gate_up_exps";
    private static final String DOWN = "ffn_down_exps";
    /// gpt-oss has the matrices of experts column by column, gates and values alternating; in MXFP4 row by row,
    /// alternating. GGUF has no such tensors.
    private static final String TRANSPOSED = "_transposed";

    private static final String ALTERNATING = "_alternating";

    private static final String GATE_UP_BIAS_OF_GPT_OSS = "mlp.experts.gate_up_proj_bias";
    private static final String AFTER_ATTENTION = "post_attention_layernorm";
    private static final String AFTER_FEED_FORWARD = "post_feedforward_layernorm";
    private static final Map<String, String> IN_BLOCKS = Map.ofEntries(
            Map.entry("input_layernorm", "attn_norm"),
            Map.entry("self_attn.q_proj", "attn_q"),
            Map.entry("self_attn.k_proj", "attn_k"),
            Map.entry("self_attn.v_proj", "attn_v"),
            Map.entry("self_attn.qkv_proj", "attn_qkv"),
            Map.entry("self_attn.o_proj", "attn_output"),
            Map.entry("self_attn.q_norm", "attn_q_norm"),
            Map.entry("self_attn.k_norm", "attn_k_norm"),
            Map.entry("self_attn.sinks", "attn_sinks"),
            Map.entry("linear_attn.in_proj_qkv", "attn_qkv"),
            Map.entry("linear_attn.in_proj_z", "attn_gate"),
            Map.entry("linear_attn.in_proj_qkvz", "ssm_in"),
            Map.entry("linear_attn.in_proj_ba", "ssm_ba"),
            Map.entry("linear_attn.in_proj_b", "ssm_beta"),
            Map.entry("linear_attn.in_proj_a", "ssm_alpha"),
            Map.entry("linear_attn.conv1d", "ssm_conv1d"),
            Map.entry("linear_attn.A_log", "ssm_a_log"),
            Map.entry("linear_attn.dt", "ssm_dt"),
            Map.entry("linear_attn.norm", "ssm_norm"),
            Map.entry("linear_attn.out_proj", "ssm_out"),
            Map.entry(AFTER_ATTENTION, "ffn_norm"),
            Map.entry("pre_feedforward_layernorm", "ffn_norm"),
            Map.entry(AFTER_FEED_FORWARD, "post_ffw_norm"),
            Map.entry("pre_feedforward_layernorm_2", "pre_ffw_norm_2"),
            Map.entry("post_feedforward_layernorm_1", "post_ffw_norm_1"),
            Map.entry("post_feedforward_layernorm_2", "post_ffw_norm_2"),
            Map.entry("per_layer_input_gate", "inp_gate"),
            Map.entry("per_layer_projection", "proj"),
            Map.entry("post_per_layer_input_norm", "post_norm"),
            Map.entry("layer_scalar", "layer_output_scale"),
            Map.entry("router.proj", "ffn_gate_inp"),
            Map.entry("router.scale", "ffn_gate_inp.scale"),
            Map.entry("router.per_expert_scale", "ffn_down_exps.scale"),
            Map.entry("experts.gate_up_proj", GATE_UP),
            Map.entry("experts.down_proj", DOWN),
            Map.entry("post_self_attn_layernorm", "post_attention_norm"),
            Map.entry("post_mlp_layernorm", "post_ffw_norm"),
            Map.entry("mlp.gate_proj", "ffn_gate"),
            Map.entry("mlp.up_proj", "ffn_up"),
            Map.entry("mlp.gate_up_proj", "ffn_up"),
            Map.entry("mlp.down_proj", "ffn_down"),
            Map.entry("mlp.gate", "ffn_gate_inp"),
            Map.entry("mlp.router", "ffn_gate_inp"),
            Map.entry("mlp.shared_expert_gate", "ffn_gate_inp_shexp"),
            Map.entry("mlp.shared_expert.gate_proj", "ffn_gate_shexp"),
            Map.entry("mlp.shared_expert.up_proj", "ffn_up_shexp"),
            Map.entry("mlp.shared_expert.down_proj", "ffn_down_shexp"),
            Map.entry("block_sparse_moe.gate", "ffn_gate_inp"),
            Map.entry("mlp.experts.gate_up_proj", GATE_UP),
            Map.entry("mlp.experts.down_proj", DOWN));
    private static final Map<String, String> EXPERTS = Map.of(
            "gate_proj", "ffn_gate",
            "up_proj", "ffn_up",
            "down_proj", "ffn_down",
            "w1", "ffn_gate",
            "w3", "ffn_up",
            "w2", "ffn_down");
    private static final Map<String, String> OF_INTERNLM2 = Map.of(
            "tok_embeddings.weight", EMBEDDING,
            "output.weight", HEAD,
            "attention.wqkv", "attn_qkv_grouped",
            "attention.wo", "attn_output",
            "attention_norm", "attn_norm",
            "ffn_norm", "ffn_norm",
            "feed_forward.w1", "ffn_gate",
            "feed_forward.w3", "ffn_up",
            "feed_forward.w2", "ffn_down");
    /// For messages: of several names, the most common one.
    private static final Map<String, String> BACK_IN_BLOCKS = back();

    /// Whether the norm after attention comes before the sum.
    private final boolean normsBeforeSum;

    private final boolean ofGptOss;

    /// @param names of all tensors of the model
    HubTensorNames(Set<String> names) {
        normsBeforeSum = names.stream().anyMatch(name -> name.endsWith(AFTER_FEED_FORWARD + ".weight"));
        ofGptOss = names.stream().anyMatch(name -> name.endsWith(GATE_UP_BIAS_OF_GPT_OSS));
    }

    /// Empty if GGUF has no name for the tensor.
    Optional<String> toGguf(Tensor tensor) {
        var name = tensor.name();
        var outside = OUTSIDE.matcher(name);
        if (outside.matches()) {
            var outsideName = outside.group("name");
            return Optional.ofNullable(OUTSIDE_BLOCKS.getOrDefault(outsideName, OF_INTERNLM2.get(outsideName)));
        }
        var block = HUB_BLOCK.matcher(name);
        if (!block.matches()) {
            return Optional.empty();
        }
        var kind = block.group("kind") != null && block.group("kind").endsWith("bias") ? ".bias" : ".weight";
        return part(block.group("part"))
                .map(part -> part.endsWith(".scale") ? part : part + order(part, kind, tensor.type()) + kind)
                .map(part -> "blk." + block.group("block") + "." + part);
    }

    private String order(String part, String kind, TensorType type) {
        if (!ofGptOss || !part.equals(GATE_UP) && (!part.equals(DOWN) || kind.equals(".bias"))) {
            return "";
        }
        if (type != TensorType.MXFP4) {
            return TRANSPOSED;
        }
        return part.equals(GATE_UP) ? ALTERNATING : "";
    }

    private Optional<String> part(String part) {
        var expert = HUB_EXPERT.matcher(part);
        if (expert.matches()) {
            return Optional.of(EXPERTS.get(expert.group("part")) + "." + expert.group("expert"));
        }
        return Optional.ofNullable(
                part.equals(AFTER_ATTENTION) && normsBeforeSum
                        ? "post_attention_norm"
                        : IN_BLOCKS.getOrDefault(part, OF_INTERNLM2.get(part)));
    }

    /// The name itself if transformers has none for it.
    static String fromGguf(String name) {
        for (var outside : OUTSIDE_BLOCKS.entrySet()) {
            if (outside.getValue().equals(name)) {
                return (name.equals(HEAD) ? "" : "model.") + outside.getKey();
            }
        }
        var block = GGUF_BLOCK.matcher(name);
        if (!block.matches() || !BACK_IN_BLOCKS.containsKey(block.group("part"))) {
            return name;
        }
        var part = BACK_IN_BLOCKS.get(block.group("part"));
        var expert = block.group("expert");
        return "model.layers." + block.group("block") + "."
                + (expert == null ? part : part.replace("mlp.", "mlp.experts" + expert + ".")) + "."
                + block.group("kind");
    }

    /// Whether the tensor is not needed: it only repeats what follows from the configuration, is not for text,
    /// or is for tokens after the next.
    static boolean isLeftOut(String name) {
        return COMPUTED.matcher(name).matches() || DRAFT.matcher(name).matches() || isOfTower(name);
    }

    /// Whether the tensor is for pictures or sound.
    static boolean isOfTower(String name) {
        return TOWER.matcher(name).matches();
    }

    private static Map<String, String> back() {
        var back = new HashMap<String, String>();
        IN_BLOCKS.forEach((from, to) -> back.put(to, from));
        back.put("ffn_norm", AFTER_ATTENTION);
        back.put("post_attention_norm", AFTER_ATTENTION);
        back.put("post_ffw_norm", AFTER_FEED_FORWARD);
        back.put("ffn_up", "mlp.up_proj");
        back.put("ffn_gate_inp", "mlp.gate");
        back.put(GATE_UP, "mlp.experts.gate_up_proj");
        back.put(DOWN, "mlp.experts.down_proj");
        back.put("attn_qkv", "self_attn.qkv_proj");
        return Map.copyOf(back);
    }
}
