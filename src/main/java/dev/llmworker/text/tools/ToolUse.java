package dev.llmworker.text.tools;

import java.util.HashSet;
import java.util.List;
import java.util.regex.Pattern;

/// The tools of a request, and how the model may use them.
///
/// @param parallel whether the answer may have more than one call
public record ToolUse(List<Tool> tools, ToolChoice choice, boolean parallel) {
    /// No tools.
    public static final ToolUse NONE = new ToolUse(List.of(), ToolChoice.NONE, true);

    /// Formats of calls write names as they are, without quotes and escapes.
    private static final Pattern NAME = Pattern.compile("[a-zA-Z0-9_./-]{1,128}");

    public ToolUse {
        tools = List.copyOf(tools);
        var names = new HashSet<String>();
        for (var tool : tools) {
            if (!NAME.matcher(tool.name()).matches()) {
                throw new IllegalArgumentException("tools has a function with the name \"" + tool.name()
                        + "\"; a name has 1 to 128 letters, digits, dots, slashes, hyphens and underscores");
            }
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
