package dev.llmworker.generation;

import dev.llmworker.sampling.ParameterException;
import dev.llmworker.text.chat.ToolUse;
import java.util.OptionalInt;

/// Asks for an answer in parts: its text, what the model thinks, and its calls of tools. A format of the answer then
/// begins after the reasoning.
///
/// @param tools what the model may call
/// @param maxReasoningTokens the most tokens of reasoning; then its end is forced. 0 ends it at once
public record AnswerParts(ToolUse tools, OptionalInt maxReasoningTokens) {
    public AnswerParts {
        if (maxReasoningTokens.isPresent() && maxReasoningTokens.getAsInt() < 0) {
            throw new ParameterException("max_reasoning_tokens", maxReasoningTokens.getAsInt(), "at least 0");
        }
    }
}
