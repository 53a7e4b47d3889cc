package dev.llmworker.generation;

import dev.llmworker.sampling.ParameterException;
import dev.llmworker.text.tools.ToolUse;
import java.util.OptionalInt;
import java.util.Set;

/// Asks for an answer in parts: its text, what the model thinks, and its calls of tools. A format of the answer then
/// begins after the reasoning.
///
/// @param tools what the model may call
/// @param maxReasoningTokens the most tokens of reasoning; then its end is forced. 0 ends it at once
/// @param isBudgetSoft whether another server that cannot be asked for this limit may ignore it
/// @param impliedVariables which variables of the chat template the client did not write: the worker derived them
public record AnswerParts(
        ToolUse tools, OptionalInt maxReasoningTokens, boolean isBudgetSoft, Set<String> impliedVariables) {
    /// A request that says itself what it asks for.
    public AnswerParts(ToolUse tools, OptionalInt maxReasoningTokens) {
        this(tools, maxReasoningTokens, false, Set.of());
    }

    public AnswerParts {
        impliedVariables = Set.copyOf(impliedVariables);
        if (maxReasoningTokens.isPresent() && maxReasoningTokens.getAsInt() < 0) {
            throw new ParameterException("max_reasoning_tokens", maxReasoningTokens.getAsInt(), "at least 0");
        }
    }
}
