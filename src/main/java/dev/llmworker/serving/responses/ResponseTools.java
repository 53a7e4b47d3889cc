package dev.llmworker.serving.responses;

import dev.llmworker.serving.request.ToolFields;
import dev.llmworker.serving.request.UnsupportedFields;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.text.tools.Tool;
import dev.llmworker.text.tools.ToolChoice;
import dev.llmworker.text.tools.ToolUse;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
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
        var tools = ToolFields.named(fields, ResponseTools::tool);
        return new ToolUse(
                tools,
                ToolFields.choice(fields.fields().get(CHOICE), tools, CHOICES, ResponseTools::named),
                fields.flag(PARALLEL, true));
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
        ToolFields.checkType(at, map);
        if (!UnsupportedFields.asksForNothing(map.get(DEFER))) {
            throw RequestException.invalid(at + "." + DEFER, at + "." + DEFER + " is not supported");
        }
        return ToolFields.function(at, map, "parameters", true);
    }

    private static ToolChoice named(Map<?, ?> choice, List<Tool> tools) {
        ToolFields.checkType(CHOICE, choice);
        return ToolFields.chosen(CHOICE, new RequestFields(choice), tools);
    }
}
