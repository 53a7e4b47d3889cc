package dev.llmworker.serving.request;

import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.StringTokenizer;
import org.jspecify.annotations.Nullable;

/// The fields of OpenAI's API, Anthropic's, vLLM's and llama.cpp's that would change an answer, and that this
/// worker's own engines do not have. Such a field is refused by its name, in whatever API it comes. A value that
/// asks for nothing, such as null, an empty list or the default, is accepted. Fields that are in none of these
/// tables are ignored.
public final class UnsupportedFields {
    /// The values that ask for nothing, besides those that never do, and the fields that have these values.
    private record Group(List<?> nothing, String names) {}

    /// Of fields whose `true` and `false` both ask for something.
    private static final String EITHER_WAY = "true or false";

    private static final List<Group> ALWAYS = List.of(
            new Group(List.of(), """
                    tools functions audio suffix web_search_options echo documents chat_template prompt_embeds
                    multi_modal_data mm_processor_kwargs media_io_kwargs image_data logits_processors vllm_xargs
                    structural_tag grammar json_schema regex ebnf bad_words allowed_token_ids
                    use_beam_search early_stopping truncate_prompt_tokens prompt_logprobs return_token_ids
                    return_tokens return_tokens_as_token_ids kv_transfer_params ec_transfer_params
                    repetition_detection include_stop_str_in_output continue_final_message samplers sampler_seq
                    response_fields post_sampling_probs timings_per_token return_progress lora lora_path
                    custom_logit_processor thinking_forced_open logprobs reasoning thinking
                    system stop_sequences output_config output_format container context_management mcp_servers fallbacks
                    compaction
                    thinking_token_budget max_reasoning_tokens input_prefix input_suffix input_extra"""),
            new Group(List.of(true), """
                    add_generation_prompt skip_special_tokens spaces_between_special_tokens detokenize
                    include_reasoning"""),
            new Group(List.of(EITHER_WAY), "enable_thinking"),
            new Group(List.of(0), """
                    top_logprobs mirostat mirostat_mode dynatemp_range xtc_probability dry_multiplier n_probs min_keep
                    n_keep n_discard n_indent t_max_predict_ms top_a"""),
            new Group(List.of(1), "n best_of n_cmpl length_penalty typical_p typical tfs_z repeat_penalty num_beams"),
            new Group(
                    List.of(-1),
                    "n_predict top_n_sigma adaptive_target reasoning_budget reasoning_budget_tokens"
                            + " thinking_budget_tokens"),
            new Group(List.of(-1, 64), "repeat_last_n"),
            new Group(List.of("none", "auto"), "tool_choice function_call reasoning_format"),
            new Group(List.of("medium"), "verbosity"),
            new Group(List.of(List.of("text")), "modalities"));

    /// Of prompts that go through the model's chat template. The template writes the special tokens.
    private static final List<Group> CHAT = List.of(new Group(List.of(false), "add_special_tokens"));

    /// Of raw prompts, which have no template that could use these.
    private static final List<Group> RAW = List.of(
            new Group(List.of(true), "add_special_tokens"),
            new Group(List.of(), "chat_template_kwargs reasoning_effort"));

    /// Constraints of vLLM's older versions that [AnswerFormats] does not read: `guided_grammar`.
    private static final String GUIDED = "guided_";

    /// Fields that would reach into the server that answers a relayed request. Its operator chooses the template, the
    /// code that runs and the other servers that it calls. Embeddings are tensors, which some servers unpickle.
    private static final Set<String> IN_RELAY = Set.of(
            "chat_template",
            "prompt_embeds",
            "input_embeds",
            "kv_transfer_params",
            "ec_transfer_params",
            "bootstrap_host",
            "bootstrap_port",
            "bootstrap_room",
            "logits_processors",
            "custom_logit_processor");

    /// Servers merge these variables into the arguments of the call that applies the template.
    private static final String VARIABLES = "chat_template_kwargs";

    private static final Set<String> IN_VARIABLES = Set.of("chat_template", "tokenize");

    /// Fields and members whose object is a JSON schema. Even the empty one asks for JSON.
    private static final Set<String> SCHEMAS = Set.of("json_schema", "json");

    private static final Map<String, List<?>> IN_CHAT = table(CHAT);
    private static final Map<String, List<?>> IN_RAW = table(RAW);

    private UnsupportedFields() {}

    private static Map<String, List<?>> table(List<Group> more) {
        var table = new HashMap<String, List<?>>();
        for (var groups : List.of(ALWAYS, more)) {
            for (var group : groups) {
                var nothing =
                        group.nothing.stream().map(UnsupportedFields::essence).toList();
                new StringTokenizer(group.names)
                        .asIterator()
                        .forEachRemaining(name -> table.put((String) name, nothing));
            }
        }
        return Map.copyOf(table);
    }

    /// @param isRaw whether the prompt goes to the model without its chat template
    /// @param supported fields that the API has itself
    /// @throws RequestException naming the first field that is not supported
    public static void refuse(RequestFields fields, boolean isRaw, Set<String> supported) {
        var table = isRaw ? IN_RAW : IN_CHAT;
        fields.fields().forEach((key, value) -> {
            var name = String.valueOf(key);
            var nothing = name.startsWith(GUIDED) && !AnswerFormats.FIELDS.contains(name) ? List.of() : table.get(name);
            if (nothing != null
                    && !supported.contains(name)
                    && (isSchema(name, value) || !asksForNothing(value, nothing))) {
                throw refusal(name, value, nothing);
            }
        });
    }

    /// Refuses fields that an API has elsewhere, and that would change the answer.
    ///
    /// @throws RequestException naming the first one that asks for something
    public static void refuse(RequestFields fields, Set<String> names) {
        fields.fields().forEach((key, value) -> {
            var name = String.valueOf(key);
            if (names.contains(name) && !asksForNothing(value)) {
                throw refusal(name, value, List.of());
            }
        });
    }

    /// Refuses what no client may ask of another server through this worker.
    ///
    /// @throws RequestException naming the first such field
    public static void refuseInRelay(RequestFields fields) {
        refuse(fields.fields(), IN_RELAY, "");
        if (fields.fields().get(VARIABLES) instanceof Map<?, ?> variables) {
            refuse(variables, IN_VARIABLES, VARIABLES + ".");
        }
    }

    private static void refuse(Map<?, ?> object, Set<String> names, String path) {
        object.forEach((key, value) -> {
            var name = String.valueOf(key);
            if (names.contains(name)
                    && value != null
                    && !List.of().equals(value)
                    && !Map.of().equals(value)) {
                throw RequestException.invalid(path.isEmpty() ? name : VARIABLES, path + name + " is not supported");
            }
        });
    }

    private static boolean asksForNothing(@Nullable Object value, List<?> nothing) {
        var essence = essence(value);
        return nothing.contains(essence)
                || value == null
                || asksForNothing(essence)
                        && !(value instanceof Boolean && (nothing.contains(true) || nothing.contains(EITHER_WAY)));
    }

    private static boolean memberAsksForNothing(Object name, @Nullable Object member) {
        return !isSchema(name, member) && asksForNothing(member);
    }

    private static boolean isSchema(Object name, @Nullable Object value) {
        return value instanceof Map && SCHEMAS.contains(name);
    }

    /// Whether a value asks for nothing, whatever its field.
    public static boolean asksForNothing(@Nullable Object value) {
        return switch (value) {
            case null -> true;
            case Boolean flag -> !flag;
            case String text -> text.isEmpty();
            case List<?> list -> list.isEmpty();
            case Map<?, ?> object ->
                object.entrySet().stream().allMatch(member -> memberAsksForNothing(member.getKey(), member.getValue()));
            default -> false;
        };
    }

    /// A value as it is compared: 1 is 1.0, and members that ask for nothing do not count.
    private static Object essence(@Nullable Object value) {
        return switch (value) {
            case null -> List.of();
            case Number number -> number.doubleValue() + 0.0;
            case Map<?, ?> object -> {
                var members = new HashMap<Object, Object>();
                object.forEach((name, member) -> {
                    if (!memberAsksForNothing(name, member)) {
                        members.put(name, essence(member));
                    }
                });
                yield members;
            }
            default -> value;
        };
    }

    private static RequestException refusal(String name, @Nullable Object value, List<?> nothing) {
        var only = nothing.isEmpty() ? null : nothing.getFirst();
        return switch (only) {
            case Double number
            when value instanceof Number -> RequestFields.wrong(name, value, Integer.toString(number.intValue()));
            case Boolean flag when value instanceof Boolean -> RequestFields.wrong(name, value, flag.toString());
            case null, default -> RequestException.invalid(name, name + " is not supported");
        };
    }
}
