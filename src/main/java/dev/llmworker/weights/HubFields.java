package dev.llmworker.weights;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.weights.content.ModelFileException;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/// The fields of `config.json` that describe the text model. A model that also sees or hears has them in `text_config`.
final class HubFields {
    private static final String TEXT = "text_config";
    private static final String TYPE = TEXT + ".model_type";
    private static final String CLASSES = "architectures";
    /// The second and third are of models without a head, which make vectors of texts.
    private static final List<String> CLASS_ENDS = List.of("ForCausalLM", "TextModel", "Model");

    private static final String BIDIRECTIONAL = "use_bidirectional_attention";

    /// Names of transformers whose models are of an architecture that GGUF calls otherwise.
    private static final Map<String, String> RENAMED = Map.of(
            "mistral", "llama",
            "mixtral", "llama",
            "internlm3", "llama",
            "ministral3", "mistral3",
            "olmo3", "olmo2",
            "gemma4unified", "gemma4",
            "gptoss", "gpt-oss");

    /// Models whose layers never have a window, whatever their files say.
    private static final Set<String> WITHOUT_WINDOWS =
            Set.of("llama", "internlm2", "internlm3", "granite", "olmo2", "glm4");

    /// Models whose layers all have the window if one has it, whatever their files say.
    private static final Set<String> WITHOUT_PATTERNS = Set.of("qwen3moe", "mixtral");

    /// Models whose layers may have other heads and widths, share keys, and take a part of a second embedding.
    private static final Set<String> WITH_OWN_LAYERS = Set.of("gemma4", "gemma4unified");

    private static final String EPSILON = "rms_norm_eps";
    private static final Map<String, ?> NO_WINDOW = Map.of("use_sliding_window", false);
    private static final Map<String, ?> QWEN =
            Map.of("use_sliding_window", false, "sliding_window", 4096, "max_window_layers", 28);
    private static final Map<String, ?> GEMMA = Map.of(
            "num_attention_heads", 8,
            "num_key_value_heads", 4,
            "head_dim", 256,
            "query_pre_attn_scalar", 256,
            "sliding_window", 4096,
            "tie_word_embeddings", true);

    private static final Map<String, ?> GEMMA4 = Map.ofEntries(
            Map.entry("num_attention_heads", 8),
            Map.entry("num_key_value_heads", 4),
            Map.entry("head_dim", 256),
            Map.entry("global_head_dim", 512),
            Map.entry("sliding_window", 512),
            Map.entry("_sliding_window_pattern", 6),
            Map.entry("max_position_embeddings", 131_072),
            Map.entry("hidden_size_per_layer_input", 256),
            Map.entry("tie_word_embeddings", true),
            Map.entry(
                    "rope_parameters",
                    Map.of(
                            "full_attention",
                            Map.of("rope_type", "proportional", "partial_rotary_factor", 0.25, "rope_theta", 1e6),
                            "sliding_attention",
                            Map.of("rope_type", "default", "rope_theta", 1e4))));
    private static final Map<String, ?> DELTA = Map.of(
            "head_dim", 256,
            "partial_rotary_factor", 0.25,
            "full_attention_interval", 4,
            "linear_conv_kernel_dim", 4,
            "linear_key_head_dim", 128,
            "linear_value_head_dim", 128,
            "linear_num_key_heads", 16,
            "linear_num_value_heads", 32);
    private static final Map<String, ?> DELTA_WITH_EXPERTS = with(
            DELTA,
            Map.of(
                    "num_experts", 256,
                    "num_experts_per_tok", 8,
                    "moe_intermediate_size", 512,
                    "shared_expert_intermediate_size", 512));

    private static final Set<String> WITH_DELTA = Set.of("qwen35", "qwen35moe");

    /// Fields that only these models, by the names of transformers, may have with any value.
    private static final Map<String, Set<String>> OWN = Map.of(
            "attn_output_gate", WITH_DELTA,
            "shared_expert_intermediate_size", Set.of("qwen35moe", "qwen3next"),
            // How pairs are shared out to the axes of pictures. In texts all axes have the same position.
            "mrope_section", WITH_DELTA,
            "mrope_interleaved", WITH_DELTA,
            "num_kv_shared_layers", WITH_OWN_LAYERS,
            "hidden_size_per_layer_input", WITH_OWN_LAYERS);

    /// What transformers takes for fields that are missing, by its name of the model. Source: its configuration
    /// classes.
    private static final Map<String, Map<String, ?>> DEFAULTS = Map.ofEntries(
            Map.entry("mistral", Map.of("sliding_window", 4096)),
            Map.entry("qwen35", DELTA),
            Map.entry("qwen35moe", DELTA_WITH_EXPERTS),
            Map.entry("qwen3next", with(DELTA_WITH_EXPERTS, Map.of("num_experts", 512, "num_experts_per_tok", 10))),
            Map.entry("qwen2", QWEN),
            Map.entry("qwen3", with(QWEN, Map.of("head_dim", 128))),
            Map.entry("qwen3moe", with(NO_WINDOW, Map.of("norm_topk_prob", false))),
            Map.entry(
                    "gemma2",
                    with(
                            GEMMA,
                            Map.of(
                                    "max_position_embeddings", 8192,
                                    "attn_logit_softcapping", 50.0,
                                    "final_logit_softcapping", 30.0))),
            Map.entry(
                    "gemma3",
                    with(
                            GEMMA,
                            Map.of(
                                    "max_position_embeddings", 131_072,
                                    "rope_theta", 1_000_000.0,
                                    "rope_local_base_freq", 10_000.0))),
            Map.entry("gemma4", GEMMA4),
            Map.entry(
                    "gemma4unified",
                    with(
                            GEMMA4,
                            Map.of(
                                    "sliding_window", 1024,
                                    "max_position_embeddings", 262_144,
                                    "hidden_size_per_layer_input", 0))),
            Map.entry("olmo2", Map.of(EPSILON, 1e-5)),
            Map.entry("olmo3", Map.of(EPSILON, 1e-5, "sliding_window", 4096)),
            Map.entry("mixtral", Map.of(EPSILON, 1e-5, "rope_theta", 1e6)),
            Map.entry("ministral3", Map.of(EPSILON, 1e-5, "head_dim", 128)),
            Map.entry("phi3", Map.of(EPSILON, 1e-5, "original_max_position_embeddings", 4096)),
            Map.entry("granite", Map.of("attention_multiplier", 1.0)),
            Map.entry(
                    "ernie4_5", Map.of(EPSILON, 1e-5, "head_dim", 128, "rope_theta", 5e5, "tie_word_embeddings", true)),
            Map.entry(
                    "smollm3",
                    with(
                            NO_WINDOW,
                            Map.of("no_rope_layer_interval", 4, "rope_theta", 2e6, "tie_word_embeddings", true))),
            Map.entry("glm4", Map.of(EPSILON, 1.5625e-7, "head_dim", 128, "partial_rotary_factor", 0.5)),
            Map.entry("exaone4", Map.of(EPSILON, 1e-5, "sliding_window", 4096)),
            Map.entry("gptoss", Map.of(EPSILON, 1e-5, "rope_theta", 1.5e5, "head_dim", 64, "sliding_window", 128)));

    private static final ObjectMapper JSON = new ObjectMapper();

    private final JsonFile json;
    private final JsonNode text;
    private final boolean nested;
    /// As the file writes it.
    private final String written;
    /// As transformers writes it in configuration classes, in lower case.
    private final String name;
    private final JsonNode defaults;

    /// @throws ModelFileException if the file names no model
    HubFields(JsonFile json) throws ModelFileException {
        this.json = json;
        nested = json.get(TEXT).isObject();
        text = nested ? json.get(TEXT) : json.root();
        written = nested ? modelType() : className();
        name = nested
                ? without("_text", written).replace("_", "")
                : withoutEnd(written).toLowerCase(Locale.ROOT).replace("3_5", "35");
        defaults = JSON.valueToTree(DEFAULTS.getOrDefault(name, Map.of()));
    }

    /// `Qwen3MoeForCausalLM` and `qwen3_moe` are both `qwen3moe`.
    private static String without(String end, String name) {
        return name.endsWith(end) ? name.substring(0, name.length() - end.length()) : name;
    }

    private static String withoutEnd(String className) {
        return CLASS_ENDS.stream()
                .filter(className::endsWith)
                .findFirst()
                .map(end -> without(end, className))
                .orElse(className);
    }

    /// Whether the class of the model has no matrix that makes logits.
    boolean isWithoutHead() throws ModelFileException {
        return !nested && className().endsWith("Model");
    }

    /// Whether tokens see those after them. Only EmbeddingGemma is known to be so.
    private boolean isBidirectional() {
        return name.equals("gemma3")
                && get(BIDIRECTIONAL).isBoolean()
                && get(BIDIRECTIONAL).booleanValue();
    }

    private String className() throws ModelFileException {
        var named = json.get(CLASSES);
        if (named.size() != 1 || !named.get(0).isTextual()) {
            throw json.problem(CLASSES, "is " + shown(named) + "; expected one name, such as LlamaForCausalLM");
        }
        return named.get(0).textValue();
    }

    private String modelType() throws ModelFileException {
        var type = text.path("model_type");
        if (!type.isTextual()) {
            throw json.problem(TYPE, "is " + shown(type) + "; expected a name, such as gemma3_text");
        }
        return type.textValue();
    }

    private static String shown(JsonNode node) {
        return node.isMissingNode() ? "missing" : node.toString();
    }

    private static Map<String, ?> with(Map<String, ?> some, Map<String, ?> more) {
        var all = new HashMap<String, Object>(some);
        all.putAll(more);
        return Map.copyOf(all);
    }

    /// GGUF's name of the architecture.
    String architecture() {
        return isBidirectional() ? "gemma-embedding" : RENAMED.getOrDefault(name, name);
    }

    /// Whether the model knows what to do with a field that others may not have.
    boolean owns(String field) {
        return OWN.getOrDefault(field, Set.of()).contains(name) || field.equals(BIDIRECTIONAL) && isBidirectional();
    }

    boolean mayHaveWindows() {
        return !WITHOUT_WINDOWS.contains(name);
    }

    /// Whether some layers may have a window and others none.
    boolean mayHavePattern() {
        return !WITHOUT_PATTERNS.contains(name);
    }

    /// Whether layers may be as [HubLayers] has them. The last one then never has a window, whatever the file says.
    boolean mayHaveOwnLayers() {
        return WITH_OWN_LAYERS.contains(name);
    }

    /// Where the file says what the model is. A model of several parts also has a class.
    String architectureSource() {
        var classes = json.get(CLASSES);
        return !nested
                ? CLASSES
                : classes.path(0).isTextual()
                        ? CLASSES + " is " + classes.get(0).textValue() + ", and " + TYPE
                        : TYPE;
    }

    /// What the file says there, in its own spelling.
    String written() {
        return written;
    }

    JsonFile file() {
        return json;
    }

    boolean has(String field) {
        return !get(field).isNull() && !get(field).isMissingNode();
    }

    /// A field, or what transformers takes if it is missing. A field that is null is not missing.
    JsonNode get(String field) {
        if (text.has(field)) {
            return text.get(field);
        }
        return json.root().has(field) ? json.get(field) : defaults.path(field);
    }

    /// The first of some fields that the model has; the last one if it has none.
    String first(String... fields) {
        for (var field : fields) {
            if (has(field)) {
                return field;
            }
        }
        return fields[fields.length - 1];
    }

    /// @param problem what is wrong with the value of `field`
    ModelFileException problem(String field, String problem) {
        return json.problem(nested && text.has(field) ? TEXT + "." + field : field, problem);
    }
}
