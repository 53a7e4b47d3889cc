package dev.llmworker.text.answer;

import dev.llmworker.text.answer.CallForm.Listed;
import dev.llmworker.text.answer.CallForm.NamedJson;
import dev.llmworker.text.answer.CallForm.Parameters;
import dev.llmworker.text.tools.ToolCall;
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// How a family of models writes calls of tools. `docs/agents.md` has the list.
///
/// @param name as in `TOOL_FORMAT`
/// @param hint a text that only templates of this family have; for templates that show no call
/// @param begin before the first call
/// @param separator between two calls; null if an answer has at most one
/// @param end after the last call
/// @param forms of one call, the usual one first
/// @param trigger the beginning of a call, after which no other text makes sense; empty for all that is before the name
public record ToolFormat(
        String name,
        String hint,
        String trigger,
        String begin,
        @Nullable String separator,
        String end,
        List<CallForm> forms) {
    private static final String TOOL_CALL = "<tool_call>";
    private static final String DEEPSEEK = "<｜tool▁calls▁begin｜>";
    private static final String DEEPSEEK_CALL = "<｜tool▁call▁begin｜>";
    private static final String DSML = "<｜DSML｜";

    /// For models whose template knows no tools.
    public static final ToolFormat GENERIC = hermes("json", "");

    /// The first of them whose call a template writes is the template's.
    private static final List<ToolFormat> ALL = List.of(
            parameters(
                    "qwen3-coder",
                    "<parameter=",
                    TOOL_CALL,
                    new Parameters(
                            "<tool_call>\n<function=",
                            ">",
                            "\n<parameter=",
                            ">\n",
                            ">\n",
                            "\n</parameter>",
                            "\n</function>\n</tool_call>")),
            parameters(
                    "seed",
                    "<seed:tool_call>",
                    "<seed:tool_call>",
                    new Parameters(
                            "<seed:tool_call>\n<function=",
                            ">",
                            "\n<parameter=",
                            ">",
                            ">",
                            "</parameter>",
                            "\n</function>\n</seed:tool_call>")),
            parameters(
                    "glm",
                    "<arg_key>",
                    TOOL_CALL,
                    new Parameters(
                            TOOL_CALL,
                            "",
                            "\n<arg_key>",
                            "</arg_key>\n<arg_value>",
                            "</arg_key>\n<arg_value>",
                            "</arg_value>",
                            "\n</tool_call>")),
            parameters(
                    "glm-4.7",
                    "</arg_key><arg_value>",
                    TOOL_CALL,
                    new Parameters(
                            TOOL_CALL,
                            "",
                            "<arg_key>",
                            "</arg_key><arg_value>",
                            "</arg_key><arg_value>",
                            "</arg_value>",
                            "</tool_call>")),
            dsml("deepseek-v3.2", "function_calls"),
            dsml("deepseek-v4", "tool_calls"),
            new ToolFormat(
                    "minimax",
                    "<minimax:tool_call>",
                    "<minimax:tool_call>",
                    "<minimax:tool_call>\n",
                    "\n",
                    "\n</minimax:tool_call>",
                    List.of(new Parameters(
                            "<invoke name=\"",
                            "\">",
                            "\n<parameter name=\"",
                            "\">",
                            "\">",
                            "</parameter>",
                            "\n</invoke>"))),
            new ToolFormat(
                    "deepseek-v3",
                    DEEPSEEK_CALL,
                    DEEPSEEK,
                    DEEPSEEK,
                    "\n",
                    "<｜tool▁calls▁end｜>",
                    List.of(new NamedJson(
                            DEEPSEEK_CALL + "function<｜tool▁sep｜>", "\n```json\n", "\n```<｜tool▁call▁end｜>"))),
            new ToolFormat(
                    "deepseek-v3.1",
                    "",
                    DEEPSEEK,
                    DEEPSEEK,
                    "",
                    "<｜tool▁calls▁end｜>",
                    List.of(new NamedJson(DEEPSEEK_CALL, "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"))),
            list("mistral", "[TOOL_CALLS]", "[TOOL_CALLS][", "]"),
            new ToolFormat(
                    "mistral-args",
                    "[ARGS]",
                    "[TOOL_CALLS]",
                    "",
                    "",
                    "",
                    List.of(new NamedJson("[TOOL_CALLS]", "[ARGS]", ""))),
            new ToolFormat(
                    "mistral-ids",
                    "[CALL_ID]",
                    "[TOOL_CALLS]",
                    "",
                    "",
                    "",
                    List.of(new NamedJson("[TOOL_CALLS]", "[CALL_ID]" + CallForm.ID + "[ARGS]", ""))),
            new ToolFormat(
                    "kimi",
                    "<|tool_calls_section_begin|>",
                    "<|tool_calls_section_begin|>",
                    "<|tool_calls_section_begin|>",
                    "",
                    "<|tool_calls_section_end|>",
                    List.of(new NamedJson(
                            "<|tool_call_begin|>functions.",
                            ":" + CallForm.ID + "<|tool_call_argument_begin|>",
                            "<|tool_call_end|>"))),
            // The template names the tool before the channel, the model usually after it.
            new ToolFormat(
                    "harmony",
                    "<|channel|>commentary",
                    "",
                    "",
                    null,
                    "",
                    List.of(
                            new NamedJson("<|channel|>commentary to=functions.", " <|constrain|>json<|message|>", ""),
                            new NamedJson(" to=functions.", "<|channel|>commentary json<|message|>", "", true))),
            new ToolFormat(
                    "gemma4",
                    "<|tool_call>",
                    "<|tool_call>",
                    "",
                    "",
                    "",
                    List.of(new Listed("<|tool_call>call:", "{", ":", ",", "<|\"|>", "}<tool_call|>"))),
            new ToolFormat(
                    "lfm2",
                    "List of tools: ",
                    "<|tool_call_start|>",
                    "<|tool_call_start|>[",
                    ", ",
                    "]<|tool_call_end|>",
                    List.of(new Listed("", "(", "=", ", ", "", ")"))),
            new ToolFormat(
                    "cohere",
                    "<|START_ACTION|>",
                    "<|START_ACTION|>",
                    "<|START_ACTION|>[\n    ",
                    ",\n    ",
                    "\n]<|END_ACTION|>",
                    List.of(new NamedJson(
                            "{\"tool_call_id\": \"" + CallForm.ID + "\", \"tool_name\": \"",
                            "\", \"parameters\": ",
                            "}"))),
            new ToolFormat(
                    "apertus",
                    "<|tools_prefix|>",
                    "<|tools_prefix|>",
                    "<|tools_prefix|>[",
                    ", ",
                    "]<|tools_suffix|>",
                    List.of(new NamedJson("{\"", "\": ", "}"))),
            new ToolFormat("functionary", "", "", "", "", "", List.of(new NamedJson("<function=", ">", "</function>"))),
            list("granite", "<|tool_call|>", "<|tool_call|>[", "]"),
            list("apriel", "<tool_calls>[", "<tool_calls>[", "]</tool_calls>"),
            list("nemotron", "<TOOLCALL>", "<TOOLCALL>[", "]</TOOLCALL>"),
            new ToolFormat(
                    "llama3",
                    "",
                    "",
                    "",
                    "; ",
                    "",
                    List.of(
                            NamedJson.object("", "parameters", "", true),
                            NamedJson.object("<|python_tag|>", "parameters", "", false),
                            new NamedJson("{\"type\": \"function\", \"name\": \"", "\", \"parameters\": ", "}", true))),
            hermes("hermes", TOOL_CALL),
            GENERIC);

    private static ToolFormat hermes(String name, String hint) {
        return new ToolFormat(
                name,
                hint,
                TOOL_CALL,
                "",
                "\n",
                "",
                List.of(NamedJson.object("<tool_call>\n", "arguments", "\n</tool_call>", false)));
    }

    private static ToolFormat parameters(String name, String hint, String trigger, Parameters form) {
        return new ToolFormat(name, hint, trigger, "", "\n", "", List.of(form));
    }

    private static ToolFormat dsml(String name, String section) {
        return new ToolFormat(
                name,
                DSML + section,
                DSML + section + ">",
                DSML + section + ">\n",
                "\n",
                "\n</｜DSML｜" + section + ">",
                List.of(new Parameters(
                        DSML + "invoke name=\"",
                        "\">",
                        "\n" + DSML + "parameter name=\"",
                        "\" string=\"true\">",
                        "\" string=\"false\">",
                        "</｜DSML｜parameter>",
                        "\n</｜DSML｜invoke>")));
    }

    private static ToolFormat list(String name, String hint, String begin, String end) {
        return new ToolFormat(
                name,
                hint,
                begin.substring(0, begin.length() - 1),
                begin,
                ", ",
                end,
                List.of(NamedJson.object("", "arguments", "", false)));
    }

    public static List<ToolFormat> all() {
        return ALL;
    }

    public static Optional<ToolFormat> named(String name) {
        return ALL.stream().filter(format -> format.name.equals(name)).findFirst();
    }

    /// The text with which a call begins, after which no other text makes sense.
    String triggerOf(CallForm form) {
        return trigger.isEmpty() ? begin + form.before() : trigger;
    }

    ToolFormat map(UnaryOperator<String> change) {
        return new ToolFormat(
                name,
                hint,
                change.apply(trigger),
                change.apply(begin),
                separator == null ? null : change.apply(separator),
                change.apply(end),
                forms.stream().map(form -> form.map(change)).toList());
    }

    /// The format with at most one call in an answer.
    public ToolFormat single() {
        return new ToolFormat(name, hint, trigger, begin, null, end, forms);
    }

    /// Calls as a model writes them.
    public String written(List<ToolCall> calls) {
        var text = new StringBuilder(begin);
        for (var i = 0; i < calls.size(); i++) {
            var form = forms.getFirst();
            text.append(i == 0 ? "" : separator == null ? "\n" : separator);
            text.append(written(form, calls.get(i))).append(form.after());
        }
        return text.append(end).toString();
    }

    /// Whether a text has a call in one of the forms. Its template may have made up an id.
    public boolean isIn(String text, ToolCall call, UnaryOperator<String> change) {
        var anyId = new ToolCall(String.valueOf(CallForm.ID), call.name(), call.arguments());
        return forms.stream()
                .map(form -> (form.isFirst() ? "" : begin) + written(form, anyId))
                .map(written -> Stream.of(change.apply(written).split(String.valueOf(CallForm.ID)))
                        .map(Pattern::quote)
                        .collect(Collectors.joining(CallForm.ANY_ID)))
                .anyMatch(written ->
                        Pattern.compile(written).matcher(change.apply(text)).find());
    }

    /// A call without what is after its arguments.
    private static String written(CallForm form, ToolCall call) {
        var text = new StringBuilder(withId(form.before(), call)).append(call.name());
        switch (form) {
            case NamedJson(var _, var between, var _, var _) ->
                text.append(withId(between, call)).append(call.arguments());
            case Listed list ->
                text.append(list.between())
                        .append(ToolSchema.members(call.arguments()).entrySet().stream()
                                .map(argument -> argument.getKey()
                                        + list.assign()
                                        + ListedValue.written(list, argument.getValue()))
                                .collect(Collectors.joining(list.comma())));
            case Parameters parameters -> {
                text.append(parameters.between());
                ToolSchema.members(call.arguments()).forEach((name, value) -> {
                    var isText = value.isTextual();
                    text.append(parameters.key())
                            .append(name)
                            .append(isText ? parameters.text() : parameters.json())
                            .append(isText ? value.asText() : value.toString())
                            .append(parameters.end());
                });
            }
        }
        return text.toString();
    }

    private static String withId(String text, ToolCall call) {
        return text.replace(String.valueOf(CallForm.ID), call.id());
    }
}
