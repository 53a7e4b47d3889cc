package dev.llmworker.text.chat;

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
record ChatForms(ToolFormat tools, @Nullable ReasoningForm reasoning, String before, List<String> skipped) {
    static final ChatForms GENERIC = plain(ToolFormat.GENERIC, null);

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

    /// What is before and after the text for the user, by a text that is in the templates of models that
    /// write it.
    private static final Map<String, String> TEXT =
            Map.of("<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>", "<|END_TEXT|>");

    @SafeVarargs
    private static Map<String, ReasoningForm> ordered(Map.Entry<String, ReasoningForm>... entries) {
        var ordered = new LinkedHashMap<String, ReasoningForm>();
        Stream.of(entries).forEach(entry -> ordered.put(entry.getKey(), entry.getValue()));
        return ordered;
    }

    private static ChatForms plain(ToolFormat tools, @Nullable ReasoningForm reasoning) {
        return new ChatForms(tools, reasoning, "", List.of());
    }

    /// The forms of a template's source, whose format of calls is known.
    static ChatForms of(ToolFormat tools, String source) {
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
        return TEXT.entrySet().stream()
                .filter(entry -> source.contains(entry.getKey()))
                .findFirst()
                .map(entry ->
                        new ChatForms(tools, reasoning, entry.getKey(), List.of(entry.getKey(), entry.getValue())))
                .orElseGet(() -> plain(tools, reasoning));
    }

    /// Where the answer to a rendered prompt begins.
    ChatFormat.Start start(String rendered) {
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
