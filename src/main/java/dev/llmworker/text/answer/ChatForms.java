package dev.llmworker.text.answer;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// How a template's model writes its answers, in the words of the template.
///
/// @param reasoning null if the model does not think
/// @param before what is before the text for the user; a constrained answer has it
/// @param skipped what is no part of the answer
public record ChatForms(ToolFormat tools, @Nullable ReasoningForm reasoning, String before, List<String> skipped) {
    public static final ChatForms GENERIC = plain(ToolFormat.GENERIC, null);

    private static final ReasoningForm HARMONY =
            new ReasoningForm("<|channel|>analysis<|message|>", "<|end|>", "<|start|>assistant", true);

    /// By a text that is in the templates of models that think so. The first that is there counts.
    private static final Map<String, ReasoningForm> REASONING = ordered(
            Map.entry("<|channel|>analysis", HARMONY),
            Map.entry("<|channel>thought", new ReasoningForm("<|channel>thought\n", "<channel|>")),
            Map.entry("[THINK]", new ReasoningForm("[THINK]", "[/THINK]")),
            Map.entry("<seed:think>", new ReasoningForm("<seed:think>", "</seed:think>")),
            Map.entry("<|START_THINKING|>", new ReasoningForm("<|START_THINKING|>", "<|END_THINKING|>")),
            Map.entry("<|inner_prefix|>", new ReasoningForm("<|inner_prefix|>", "<|inner_suffix|>")),
            Map.entry("</think>", new ReasoningForm("<think>", "</think>")),
            Map.entry("<think>", new ReasoningForm("<think>", "</think>")));

    /// What is before the text for the user in the templates of some models, and what is after it. A constrained
    /// answer has the first that is there; all are skipped.
    private static final Map<String, String> TEXT =
            ordered(Map.entry("<|START_RESPONSE|>", "<|END_RESPONSE|>"), Map.entry("<|START_TEXT|>", "<|END_TEXT|>"));

    @SafeVarargs
    private static <T> Map<String, T> ordered(Map.Entry<String, T>... entries) {
        var ordered = new LinkedHashMap<String, T>();
        Stream.of(entries).forEach(entry -> ordered.put(entry.getKey(), entry.getValue()));
        return ordered;
    }

    private static ChatForms plain(ToolFormat tools, @Nullable ReasoningForm reasoning) {
        return new ChatForms(tools, reasoning, "", List.of());
    }

    /// The forms of a template's source, whose format of calls is known.
    public static ChatForms of(ToolFormat tools, String source) {
        var reasoning = REASONING.entrySet().stream()
                .filter(entry -> source.contains(entry.getKey()))
                .map(Map.Entry::getValue)
                .findFirst()
                .orElse(null);
        if (reasoning == HARMONY) {
            return new ChatForms(
                    tools,
                    reasoning,
                    "<|channel|>final<|message|>",
                    List.of(
                            "<|channel|>final<|message|>",
                            "<|channel|>final <|constrain|>json<|message|>",
                            "<|channel|>commentary<|message|>",
                            "<|end|>",
                            "<|start|>assistant"));
        }
        var markers = TEXT.entrySet().stream()
                .filter(entry -> source.contains(entry.getKey()))
                .flatMap(entry -> Stream.of(entry.getKey(), entry.getValue()))
                .toList();
        return new ChatForms(tools, reasoning, markers.isEmpty() ? "" : markers.getFirst(), markers);
    }

    /// These forms, and those of another template of the same model where these say nothing.
    public ChatForms or(ChatForms other) {
        return new ChatForms(
                tools,
                reasoning == null ? other.reasoning : reasoning,
                before.isEmpty() ? other.before : before,
                Stream.concat(skipped.stream(), other.skipped.stream())
                        .distinct()
                        .toList());
    }

    /// Where the answer to a rendered prompt begins.
    public ChatFormat.Start start(String rendered) {
        if (reasoning == null) {
            return ChatFormat.Start.OPEN;
        }
        var text = rendered.stripTrailing();
        if (text.endsWith(reasoning.begin().strip())) {
            return ChatFormat.Start.REASONING;
        }
        return text.endsWith(reasoning.end().strip()) ? ChatFormat.Start.AFTER_REASONING : ChatFormat.Start.OPEN;
    }
}
