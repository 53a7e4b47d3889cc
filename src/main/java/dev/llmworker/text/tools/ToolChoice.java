package dev.llmworker.text.tools;

/// Whether the model calls tools.
public sealed interface ToolChoice {
    /// The model decides.
    record Auto() implements ToolChoice {}

    /// The tools are not offered to the model.
    record None() implements ToolChoice {}

    /// The answer is one or more calls.
    record Required() implements ToolChoice {}

    /// The answer is one or more calls of this tool.
    record Named(String name) implements ToolChoice {}

    ToolChoice AUTO = new Auto();
    ToolChoice NONE = new None();
    ToolChoice REQUIRED = new Required();
}
