package dev.llmworker.text.chat;

import java.util.HashSet;
import java.util.List;

/// The tools of a request, and how the model may use them.
///
/// @param parallel whether the answer may have more than one call
public record ToolUse(List<Tool> tools, ToolChoice choice, boolean parallel) {
    /// No tools.
    public static final ToolUse NONE = new ToolUse(List.of(), ToolChoice.NONE, true);

    public ToolUse {
        tools = List.copyOf(tools);
        var names = new HashSet<String>();
        for (var tool : tools) {
            if (!names.add(tool.name())) {
                throw new IllegalArgumentException("tools has two functions with the name " + tool.name());
            }
        }
        if (choice instanceof ToolChoice.Named(var name) && !names.contains(name)) {
            throw new IllegalArgumentException("tool_choice names " + name + ", which is not among the tools");
        }
        if (choice instanceof ToolChoice.Required && tools.isEmpty()) {
            throw new IllegalArgumentException("tool_choice is required, and tools is empty");
        }
    }

    /// The tools that the model learns of.
    public List<Tool> offered() {
        return choice instanceof ToolChoice.None ? List.of() : tools;
    }

    /// The tools that the model may call.
    public List<Tool> callable() {
        return choice instanceof ToolChoice.Named(var only)
                ? tools.stream().filter(tool -> tool.name().equals(only)).toList()
                : offered();
    }

    /// Whether the answer must be a call.
    public boolean isRequired() {
        return choice instanceof ToolChoice.Required || choice instanceof ToolChoice.Named;
    }
}
