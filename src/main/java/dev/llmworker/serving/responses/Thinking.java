package dev.llmworker.serving.responses;

import dev.llmworker.generation.AnswerParts;
import dev.llmworker.generation.Prompt;
import dev.llmworker.serving.request.ChatMessages;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.text.chat.ToolUse;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// How much the model is to think, by `reasoning` and `max_reasoning_tokens`.
///
/// @param effort as templates know it: empty for not at all; null if the request does not say
/// @param maxTokens the most tokens of reasoning
record Thinking(@Nullable String effort, OptionalInt maxTokens) {
    static final String FIELD = "reasoning";
    static final String LIMIT = "max_reasoning_tokens";

    private static final String VARIABLE = "reasoning_effort";
    /// The variables by which templates turn thinking off.
    private static final List<String> SWITCHES = List.of("enable_thinking", "thinking");
    /// The one value that is supported of members that are not.
    private static final Map<String, String> ONLY =
            Map.of("summary", "auto", "generate_summary", "auto", "context", "auto", "mode", "standard");
    /// Templates know no other efforts than the middle three.
    private static final Map<String, String> EFFORTS = Map.of(
            "none", "", "minimal", "low", "low", "low", "medium", "medium", "high", "high", "xhigh", "high", "max",
            "high");

    /// @throws RequestException naming the field, its value and its limit
    static Thinking read(RequestFields fields) {
        var members = new RequestFields(fields.object(FIELD));
        var known = new HashSet<>(ONLY.keySet());
        known.add("effort");
        ResponseRequest.onlyMembers(FIELD, members.fields(), known);
        ONLY.forEach((name, only) -> {
            var value = ChatMessages.within(FIELD, () -> members.textOrNull(name));
            if (value != null && !value.equals(only)) {
                var place = FIELD + "." + name;
                throw RequestException.invalid(
                        place,
                        place + " is \"" + RequestFields.shortened(value) + "\", which is not supported; it must be "
                                + only);
            }
        });
        var effort = ChatMessages.within(FIELD, () -> members.textOrNull("effort"));
        if (effort != null && !EFFORTS.containsKey(effort)) {
            throw RequestFields.wrong(FIELD + ".effort", effort, "none, minimal, low, medium, high, xhigh or max");
        }
        var limit = fields.whole(LIMIT);
        if ("none".equals(effort) && limit.orElse(0) > 0) {
            throw RequestException.invalid(
                    LIMIT, LIMIT + " is " + limit.getAsInt() + ", but reasoning.effort is \"none\"; send one of them");
        }
        return new Thinking(effort == null ? null : EFFORTS.get(effort), limit);
    }

    private boolean isOff() {
        return effort != null && effort.isEmpty();
    }

    /// Tells the chat template.
    Prompt prompt(Prompt.Chat written) {
        if (effort == null) {
            return written;
        }
        var variables = new LinkedHashMap<>(written.variables());
        if (variables.containsKey(VARIABLE)) {
            throw RequestException.invalid(
                    VARIABLE, "reasoning_effort and reasoning.effort are both there; send one of them");
        }
        if (!isOff()) {
            variables.put(VARIABLE, effort);
            return new Prompt.Chat(written.messages(), variables);
        }
        for (var name : SWITCHES) {
            if (Boolean.TRUE.equals(variables.putIfAbsent(name, false))) {
                throw RequestException.invalid(
                        "chat_template_kwargs",
                        "chat_template_kwargs." + name + " is true, but reasoning.effort is \"none\"");
            }
        }
        return new Prompt.Chat(written.messages(), variables);
    }

    /// What the answer is made of. If another server cannot be told to end the reasoning at once, that the template is
    /// told is enough.
    AnswerParts parts(ToolUse tools) {
        return isOff()
                ? new AnswerParts(tools, OptionalInt.of(0), true, Set.copyOf(SWITCHES))
                : new AnswerParts(tools, maxTokens);
    }
}
