package dev.llmworker.weights;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;

/// The names of tensors of Llama, Mistral and Qwen models, in transformers and in GGUF.
final class HubTensorNames {
    static final String EMBEDDING = "token_embd.weight";
    static final String HEAD = "output.weight";

    private static final Map<String, String> OUTSIDE_BLOCKS = Map.of(
            "model.embed_tokens.weight", EMBEDDING, "model.norm.weight", "output_norm.weight", "lm_head.weight", HEAD);
    private static final Map<String, String> IN_BLOCKS = Map.ofEntries(
            Map.entry("input_layernorm", "attn_norm"),
            Map.entry("self_attn.q_proj", "attn_q"),
            Map.entry("self_attn.k_proj", "attn_k"),
            Map.entry("self_attn.v_proj", "attn_v"),
            Map.entry("self_attn.o_proj", "attn_output"),
            Map.entry("self_attn.q_norm", "attn_q_norm"),
            Map.entry("self_attn.k_norm", "attn_k_norm"),
            Map.entry("post_attention_layernorm", "ffn_norm"),
            Map.entry("mlp.gate_proj", "ffn_gate"),
            Map.entry("mlp.up_proj", "ffn_up"),
            Map.entry("mlp.down_proj", "ffn_down"));
    private static final Map<String, String> BACK_OUTSIDE = reversed(OUTSIDE_BLOCKS);
    private static final Map<String, String> BACK_IN_BLOCKS = reversed(IN_BLOCKS);

    private static final Pattern HUB_BLOCK =
            Pattern.compile("model\\.layers\\.(?<block>0|[1-9]\\d{0,3})\\.(?<part>.+)\\.(?<kind>weight|bias)");
    private static final Pattern GGUF_BLOCK =
            Pattern.compile("blk\\.(?<block>\\d+)\\.(?<part>\\w+)\\.(?<kind>weight|bias)");
    /// Tensors that follow from the configuration; older checkpoints store them.
    private static final Pattern COMPUTED =
            Pattern.compile("model\\.layers\\.\\d+\\.self_attn\\.rotary_emb\\.inv_freq");

    private HubTensorNames() {}

    /// Empty if GGUF has no name for the tensor.
    static Optional<String> toGguf(String name) {
        var outside = OUTSIDE_BLOCKS.get(name);
        if (outside != null) {
            return Optional.of(outside);
        }
        var block = HUB_BLOCK.matcher(name);
        if (!block.matches()) {
            return Optional.empty();
        }
        return Optional.ofNullable(IN_BLOCKS.get(block.group("part")))
                .map(part -> "blk." + block.group("block") + "." + part + "." + block.group("kind"));
    }

    /// The name itself if transformers has none for it.
    static String fromGguf(String name) {
        var block = GGUF_BLOCK.matcher(name);
        if (!block.matches()) {
            return BACK_OUTSIDE.getOrDefault(name, name);
        }
        var part = BACK_IN_BLOCKS.get(block.group("part"));
        return part == null ? name : "model.layers." + block.group("block") + "." + part + "." + block.group("kind");
    }

    /// Whether the tensor only repeats what follows from the configuration.
    static boolean isComputed(String name) {
        return COMPUTED.matcher(name).matches();
    }

    private static Map<String, String> reversed(Map<String, String> names) {
        var reversed = new HashMap<String, String>();
        names.forEach((from, to) -> reversed.put(to, from));
        return reversed;
    }
}
