package dev.llmworker.text.chat;

import dev.llmworker.constraint.Constraint;
import dev.llmworker.constraint.ConstraintException;
import dev.llmworker.constraint.Expression;
import dev.llmworker.text.WholeCharacters;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Reads and checks the arguments of calls of one tool. The rules are those that answers of this worker's own engine
/// are held to.
///
/// Threading: any thread.
public final class ToolArguments {
    private static final int MAX_SHOWN = 200;

    private final Tool tool;
    private final ToolSchema schema;
    private final Constraint constraint;

    /// @throws IllegalArgumentException if the name or the schema cannot be one of a tool
    public ToolArguments(Tool tool) {
        // Checks the name.
        var use = new ToolUse(List.of(tool), ToolChoice.AUTO, true);
        this.tool = use.tools().getFirst();
        schema = new ToolSchema(tool);
        try {
            constraint = new Constraint(new Expression.Json(schema.json()), AnswerCheck.EACH_BYTE);
        } catch (ConstraintException e) {
            throw new IllegalArgumentException("the parameters of " + tool.name() + ": " + e.getMessage());
        }
    }

    public Tool tool() {
        return tool;
    }

    /// The names of the arguments that it declares, in their order.
    public List<String> names() {
        return schema.arguments().stream().map(ToolSchema.Argument::name).toList();
    }

    /// The declared arguments in a call; others are left out.
    ///
    /// @param json the arguments as the model writes them
    /// @throws IllegalArgumentException if they do not match the schema, in words for the model
    public Map<String, @Nullable Object> read(String json) {
        var members = ToolSchema.members(json);
        var written = new ArrayList<String>();
        for (var argument : schema.arguments()) {
            var value = members.get(argument.name());
            if (value != null) {
                written.add("\"" + ToolSchema.escaped(argument.name()) + "\":" + value);
            } else if (argument.isRequired()) {
                throw new IllegalArgumentException("the argument " + argument.name() + " is missing");
            }
        }
        var declared = "{" + String.join(",", written) + "}";
        check(declared);
        return new LinkedHashMap<>(ToolSchema.arguments(declared));
    }

    private void check(String json) {
        if (!AnswerCheck.acceptsJson(constraint, json)) {
            throw mismatch(json);
        }
    }

    private static IllegalArgumentException mismatch(String json) {
        return new IllegalArgumentException("the arguments do not match the tool's parameters: "
                + (json.length() > MAX_SHOWN ? WholeCharacters.beginning(json, MAX_SHOWN) + "…" : json));
    }
}
