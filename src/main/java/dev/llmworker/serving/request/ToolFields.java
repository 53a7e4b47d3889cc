package dev.llmworker.serving.request;

import dev.llmworker.serving.wire.Json;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.text.tools.Tool;
import dev.llmworker.text.tools.ToolChoice;
import dev.llmworker.text.tools.ToolUse;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;

/// Reads which functions a model may call: `tools`, `tool_choice` and `parallel_tool_calls` of OpenAI's API.
public final class ToolFields {
    public static final Set<String> FIELDS = Set.of("tools", "tool_choice", "parallel_tool_calls");

    static final int MAX_TOOLS = 128;
    static final int MAX_NAME_CHARACTERS = 128;

    private static final String TOOLS = "tools";
    private static final String CHOICE = "tool_choice";
    private static final String CHOICES = "auto, none, required, or {\"type\":\"function\",\"function\":{\"name\":…}}";
    private static final String FUNCTION = "function";
    private static final String PARAMETERS = "parameters";

    private static final String ROUTE = "route";
    private static final String TAGS = "tags";

    private ToolFields() {}

    /// The tools that a client asks for by `{"type":"route","tags":[…]}`.
    public interface Routes {
        /// @param at names the field that has the tags
        /// @throws RequestException naming a tag that clients may not use
        List<Tool> tools(String at, List<String> tags);
    }

    /// @param use with the tools of clients and of routes
    /// @param routes those that are routes: by their names the tags that the client named for them
    public record Asked(ToolUse use, Map<String, List<String>> routes) {}

    /// @throws RequestException naming the field, its value and its limit
    public static Asked read(RequestFields fields, Routes known) {
        var routes = new LinkedHashMap<String, List<String>>();
        var tools = tools(fields.fields().get(TOOLS), known, routes);
        var use = new ToolUse(
                tools, choice(fields.fields().get(CHOICE), tools), fields.flag("parallel_tool_calls", true));
        return new Asked(use, routes);
    }

    /// Whether one of the tools is a route.
    public static boolean haveRoutes(Map<?, ?> body) {
        return body.get(TOOLS) instanceof List<?> list && list.stream().anyMatch(ToolFields::isRoute);
    }

    private static boolean isRoute(@Nullable Object entry) {
        return entry instanceof Map<?, ?> map && ROUTE.equals(map.get("type"));
    }

    private static List<Tool> tools(@Nullable Object value, Routes known, Map<String, List<String>> routes) {
        var list = entries(value);
        var tools = new ArrayList<Tool>(list.size());
        var names = new HashSet<String>();
        for (var index = 0; index < list.size(); index++) {
            var at = TOOLS + "[" + index + "]";
            if (list.get(index) instanceof Map<?, ?> map && isRoute(map)) {
                var tags = tags(at, map);
                for (var tool : known.tools(at + "." + TAGS, tags)) {
                    // Two entries may have tags of the same route.
                    if (!routes.containsKey(tool.name()) || !tools.contains(tool)) {
                        add(at, tool, tools, names);
                        routes.put(tool.name(), tags);
                    }
                }
            } else {
                add(at + ".function.name", tool(at, list.get(index)), tools, names);
            }
        }
        return tools;
    }

    /// The entries of `tools`, in OpenAI's API and in Anthropic's.
    public static List<?> entries(@Nullable Object tools) {
        if (UnsupportedFields.asksForNothing(tools)) {
            return List.of();
        }
        if (!(tools instanceof List<?> list)) {
            throw RequestFields.wrong(TOOLS, tools, "a list of objects");
        }
        if (list.size() > MAX_TOOLS) {
            throw RequestException.invalid(TOOLS, "tools has " + list.size() + " entries; the limit is " + MAX_TOOLS);
        }
        return list;
    }

    /// The tools of an API whose entries have the name themselves.
    ///
    /// @param read makes a tool of an entry, given the entry's place in the request
    public static List<Tool> named(RequestFields fields, BiFunction<String, @Nullable Object, Tool> read) {
        var entries = entries(fields.fields().get(TOOLS));
        var tools = new ArrayList<Tool>(entries.size());
        var names = new HashSet<String>();
        for (var index = 0; index < entries.size(); index++) {
            var at = TOOLS + "[" + index + "]";
            add(at + ".name", read.apply(at, entries.get(index)), tools, names);
        }
        return tools;
    }

    /// Adds a tool that has a name of its own.
    ///
    /// @param at names the field that has the name
    /// @param names of the tools so far
    private static void add(String at, Tool tool, List<Tool> tools, Set<String> names) {
        if (!names.add(tool.name())) {
            throw RequestException.invalid(
                    at, at + " is \"" + tool.name() + "\", which is the name of another tool, too");
        }
        tools.add(tool);
    }

    private static List<String> tags(String at, Map<?, ?> entry) {
        var tags = ChatMessages.within(at, () -> new RequestFields(entry).texts(TAGS));
        if (tags.isEmpty() || !(entry.get(TAGS) instanceof List)) {
            throw RequestFields.wrong(at + "." + TAGS, entry.get(TAGS), "a list of tags");
        }
        return tags;
    }

    private static Tool tool(String at, @Nullable Object entry) {
        if (!(entry instanceof Map<?, ?> map)) {
            throw RequestFields.wrong(at, entry, "an object with type and function");
        }
        checkType(at, map);
        var place = at + "." + FUNCTION;
        if (!(map.get(FUNCTION) instanceof Map<?, ?> function)) {
            throw RequestFields.wrong(place, map.get(FUNCTION), "an object with a name");
        }
        return function(place, function, PARAMETERS, false);
    }

    /// A function that a model may call.
    ///
    /// @param at names the object that describes it
    /// @param parameters the field that has the schema of its arguments
    /// @param isStrict whether its arguments follow the schema to the letter, unless it says otherwise
    public static Tool function(String at, Map<?, ?> function, String parameters, boolean isStrict) {
        var fields = new RequestFields(function);
        return new Tool(
                name(at, fields),
                Objects.requireNonNullElse(ChatMessages.within(at, () -> fields.textOrNull("description")), ""),
                parameters(at + "." + parameters, function.get(parameters)),
                ChatMessages.within(at, () -> fields.flag("strict", isStrict)));
    }

    /// @throws RequestException if the type of an object is not `function`
    public static void checkType(String at, Map<?, ?> object) {
        var type = ChatMessages.within(at, () -> new RequestFields(object).text("type"));
        if (!type.equals(FUNCTION)) {
            throw RequestException.invalid(
                    at + ".type",
                    at + ".type is \"" + RequestFields.shortened(type)
                            + "\", which is not supported; it must be function");
        }
    }

    /// The name of a function.
    ///
    /// @param at names the object that has the name
    public static String name(String at, RequestFields fields) {
        var name = ChatMessages.within(at, () -> fields.text("name"));
        if (name.length() > MAX_NAME_CHARACTERS || !name.chars().allMatch(ToolFields::isOfName)) {
            throw RequestFields.wrong(
                    at + ".name",
                    name,
                    "1 to " + MAX_NAME_CHARACTERS + " letters of ASCII, digits, underscores, hyphens or dots");
        }
        return name;
    }

    /// Whether names of functions and of streams may have this character.
    public static boolean isOfName(int character) {
        return character >= 'a' && character <= 'z'
                || character >= 'A' && character <= 'Z'
                || character >= '0' && character <= '9'
                || character == '_'
                || character == '-'
                || character == '.';
    }

    /// The schema of a function's arguments, which are an object.
    ///
    /// @param at names the field that has it
    private static String parameters(String at, @Nullable Object schema) {
        var object = new LinkedHashMap<Object, @Nullable Object>();
        object.put("type", "object");
        switch (schema) {
            case null -> {}
            case List<?> list when list.isEmpty() -> {}
            case Map<?, ?> members -> {
                object.putAll(members);
                if (object.size() == 1) {
                    // It says nothing of its arguments, so it allows any.
                    object.putIfAbsent("additionalProperties", true);
                }
            }
            default -> throw RequestFields.wrong(at, schema, "a JSON schema of an object");
        }
        if (!"object".equals(object.get("type"))) {
            throw RequestFields.wrong(at + ".type", object.get("type"), "object: arguments have names");
        }
        object.putIfAbsent("properties", Map.of());
        return Json.text(object);
    }

    private static ToolChoice choice(@Nullable Object value, List<Tool> tools) {
        return choice(value, tools, CHOICES, ToolFields::named);
    }

    /// What `tool_choice` of OpenAI's APIs asks for.
    ///
    /// @param choices the values that it may have, for errors
    /// @param named reads the object that names a function
    public static ToolChoice choice(
            @Nullable Object value,
            List<Tool> tools,
            String choices,
            BiFunction<Map<?, ?>, List<Tool>, ToolChoice> named) {
        return switch (value) {
            case null -> auto(tools);
            case String text ->
                switch (text) {
                    case "none" -> ToolChoice.NONE;
                    case "auto" -> auto(tools);
                    case "required" -> required(CHOICE, text, tools);
                    default -> throw RequestFields.wrong(CHOICE, text, choices);
                };
            case Map<?, ?> object -> named.apply(object, tools);
            default -> throw RequestFields.wrong(CHOICE, value, choices);
        };
    }

    /// The model decides, if there is something to decide.
    public static ToolChoice auto(List<Tool> tools) {
        return tools.isEmpty() ? ToolChoice.NONE : ToolChoice.AUTO;
    }

    /// The model must call one of the tools.
    ///
    /// @param at names the field that has the value
    public static ToolChoice required(String at, String value, List<Tool> tools) {
        if (tools.isEmpty()) {
            throw RequestException.invalid(at, at + " is \"" + value + "\", which needs tools");
        }
        return ToolChoice.REQUIRED;
    }

    private static ToolChoice named(Map<?, ?> object, List<Tool> tools) {
        checkType(CHOICE, object);
        var place = CHOICE + "." + FUNCTION;
        if (!(object.get(FUNCTION) instanceof Map<?, ?> function)) {
            throw RequestFields.wrong(place, object.get(FUNCTION), "an object with a name");
        }
        return chosen(place, new RequestFields(function), tools);
    }

    /// The model must call the tool with this name.
    ///
    /// @param at names the object that has the name
    public static ToolChoice chosen(String at, RequestFields fields, List<Tool> tools) {
        var name = name(at, fields);
        if (tools.stream().noneMatch(tool -> tool.name().equals(name))) {
            throw RequestException.invalid(
                    at + ".name", at + ".name is \"" + name + "\", which is not the name of one of the tools");
        }
        return new ToolChoice.Named(name);
    }
}
