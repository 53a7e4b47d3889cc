package dev.llmworker.serving.anthropic;

import dev.llmworker.serving.request.ChatMessages;
import dev.llmworker.serving.request.ToolFields;
import dev.llmworker.serving.request.UnsupportedFields;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.text.tools.Tool;
import dev.llmworker.text.tools.ToolChoice;
import dev.llmworker.text.tools.ToolUse;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Reads which functions a model may call: `tools` and `tool_choice` of Anthropic's API. Its own tools, such as
/// `web_search_20250305`, are refused by their type.
final class MessageTools {
    private static final String TOOLS = "tools";
    private static final String CHOICE = "tool_choice";
    private static final String SCHEMA = "input_schema";
    /// What would change the prompt or who may call.
    private static final List<String> UNSUPPORTED = List.of("input_examples", "defer_loading");

    private static final String CALLERS = "allowed_callers";

    private MessageTools() {}

    /// @throws RequestException naming the field, its value and its limit
    static ToolUse read(RequestFields fields) {
        var tools = ToolFields.named(fields, MessageTools::tool);
        var choice = new RequestFields(fields.object(CHOICE));
        var parallel = !ChatMessages.within(CHOICE, () -> choice.flag("disable_parallel_tool_use", false));
        return new ToolUse(tools, choice(choice, tools), parallel);
    }

    private static Tool tool(String at, @Nullable Object entry) {
        if (!(entry instanceof Map<?, ?> map)) {
            throw RequestFields.wrong(at, entry, "an object with name and input_schema");
        }
        var fields = new RequestFields(map);
        var type = ChatMessages.within(at, () -> fields.textOrNull("type"));
        if (type != null && !type.equals("custom")) {
            throw RequestException.invalid(
                    at + ".type",
                    at + ".type is \"" + RequestFields.shortened(type)
                            + "\", which is not supported; it must be custom");
        }
        for (var name : UNSUPPORTED) {
            if (!UnsupportedFields.asksForNothing(map.get(name))) {
                throw RequestException.invalid(at + "." + name, at + "." + name + " is not supported");
            }
        }
        if (!UnsupportedFields.asksForNothing(map.get(CALLERS))
                && !List.of("direct").equals(map.get(CALLERS))) {
            throw RequestFields.wrong(at + "." + CALLERS, map.get(CALLERS), "[\"direct\"]");
        }
        if (map.get(SCHEMA) == null) {
            throw RequestException.invalid(
                    at + "." + SCHEMA, at + "." + SCHEMA + " is missing; it must be a JSON schema of an object");
        }
        return ToolFields.function(at, map, SCHEMA, false);
    }

    private static ToolChoice choice(RequestFields choice, List<Tool> tools) {
        if (choice.fields().isEmpty()) {
            return ToolFields.auto(tools);
        }
        var type = ChatMessages.within(CHOICE, () -> choice.text("type"));
        return switch (type) {
            case "none" -> ToolChoice.NONE;
            case "auto" -> ToolFields.auto(tools);
            case "any" -> ToolFields.required(CHOICE + ".type", type, tools);
            case "tool" -> ToolFields.chosen(CHOICE, choice, tools);
            default -> throw RequestFields.wrong(CHOICE + ".type", type, "auto, any, tool or none");
        };
    }
}
