package dev.llmworker.serving.responses;

import dev.llmworker.serving.request.ChatMessages;
import dev.llmworker.serving.request.ToolFields;
import dev.llmworker.serving.request.UnsupportedFields;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.text.chat.Tool;
import dev.llmworker.text.chat.ToolChoice;
import dev.llmworker.text.chat.ToolUse;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Reads which functions a model may call: `tools`, `tool_choice` and `parallel_tool_calls` of the API of responses.
/// Hosted tools, such as `web_search`, are refused by their type.
final class ResponseTools {
    static final String TOOLS = "tools";
    static final String CHOICE = "tool_choice";
    static final String PARALLEL = "parallel_tool_calls";

    private static final String FUNCTION = "function";
    private static final String CHOICES = "auto, none, required, or {\"type\":\"function\",\"name\":…}";
    private static final String DEFER = "defer_loading";

    private ResponseTools() {}

    /// @throws RequestException naming the field, its value and its limit
    static ToolUse read(RequestFields fields) {
        var entries = ToolFields.entries(fields.fields().get(TOOLS));
        var tools = new ArrayList<Tool>(entries.size());
        var names = new HashSet<String>();
        for (var index = 0; index < entries.size(); index++) {
            var at = TOOLS + "[" + index + "]";
            ToolFields.add(at + ".name", tool(at, entries.get(index)), tools, names);
        }
        return new ToolUse(tools, choice(fields.fields().get(CHOICE), tools), fields.flag(PARALLEL, true));
    }

    /// The tools as a response repeats them, with the defaults that the request left out.
    static List<Map<String, @Nullable Object>> echo(RequestFields fields) {
        var tools = new ArrayList<Map<String, @Nullable Object>>();
        for (var entry : ToolFields.entries(fields.fields().get(TOOLS))) {
            var sent = (Map<?, ?>) entry;
            var tool = new LinkedHashMap<String, @Nullable Object>();
            tool.put("type", FUNCTION);
            tool.put("name", sent.get("name"));
            tool.put("description", sent.get("description"));
            tool.put("parameters", sent.get("parameters"));
            tool.put("strict", sent.get("strict") == null ? true : sent.get("strict"));
            tools.add(tool);
        }
        return tools;
    }

    private static Tool tool(String at, @Nullable Object entry) {
        if (!(entry instanceof Map<?, ?> map)) {
            throw RequestFields.wrong(at, entry, "an object with type and name");
        }
        var fields = new RequestFields(map);
        checkType(at, fields);
        if (!UnsupportedFields.asksForNothing(map.get(DEFER))) {
            throw RequestException.invalid(at + "." + DEFER, at + "." + DEFER + " is not supported");
        }
        return new Tool(
                ToolFields.name(at, fields),
                Objects.requireNonNullElse(ChatMessages.within(at, () -> fields.textOrNull("description")), ""),
                ToolFields.parameters(at + ".parameters", map.get("parameters")),
                ChatMessages.within(at, () -> fields.flag("strict", true)));
    }

    private static void checkType(String at, RequestFields fields) {
        var type = ChatMessages.within(at, () -> fields.text("type"));
        if (!type.equals(FUNCTION)) {
            throw RequestException.invalid(
                    at + ".type",
                    at + ".type is \"" + RequestFields.shortened(type)
                            + "\", which is not supported; it must be function");
        }
    }

    private static ToolChoice choice(@Nullable Object value, List<Tool> tools) {
        return switch (value) {
            case null -> auto(tools);
            case String text when text.equals("none") -> ToolChoice.NONE;
            case String text when text.equals("auto") -> auto(tools);
            case String text
            when text.equals("required") -> {
                if (tools.isEmpty()) {
                    throw RequestException.invalid(CHOICE, "tool_choice is \"required\", which needs tools");
                }
                yield ToolChoice.REQUIRED;
            }
            case Map<?, ?> object -> named(new RequestFields(object), tools);
            default -> throw RequestFields.wrong(CHOICE, value, CHOICES);
        };
    }

    private static ToolChoice auto(List<Tool> tools) {
        return tools.isEmpty() ? ToolChoice.NONE : ToolChoice.AUTO;
    }

    private static ToolChoice named(RequestFields choice, List<Tool> tools) {
        checkType(CHOICE, choice);
        var name = ToolFields.name(CHOICE, choice);
        if (tools.stream().noneMatch(tool -> tool.name().equals(name))) {
            throw RequestException.invalid(
                    CHOICE + ".name",
                    "tool_choice.name is \"" + name + "\", which is not the name of one of the tools");
        }
        return new ToolChoice.Named(name);
    }
}
