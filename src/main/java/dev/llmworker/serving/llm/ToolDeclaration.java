package dev.llmworker.serving.llm;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.llmworker.serving.wire.ControlNames;
import dev.llmworker.serving.wire.Json;
import dev.llmworker.serving.wire.UsesRegex;
import dev.llmworker.text.chat.Tool;
import dev.llmworker.text.chat.ToolArguments;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Reads the options of `llm-tool:` as a tool.
@UsesRegex("the text of a route")
final class ToolDeclaration {
    private static final List<String> TYPES = List.of("string", "integer", "number", "boolean");
    /// Java's names, as `ai-tool` takes them.
    private static final Map<String, String> JAVA_TYPES =
            Map.of("int", "integer", "long", "integer", "float", "number", "double", "number", "bool", "boolean");

    private ToolDeclaration() {}

    /// @throws IllegalArgumentException saying what is wrong
    static ToolArguments of(LlmToolEndpoint endpoint) throws IOException {
        var name = endpoint.getToolName();
        var schema = endpoint.getArgSchema();
        if (schema != null && !endpoint.getParameters().isEmpty()) {
            throw new IllegalArgumentException("argSchema and parameter." + firstName(endpoint.getParameters())
                    + " are both there; a tool has one of them");
        }
        var description = endpoint.getDescription();
        return arguments(new Tool(
                name,
                description == null ? name : description,
                schema == null
                        ? schema(endpoint.getParameters())
                        : Json.text(object(LlmOptions.schema(schema, endpoint.getCamelContext()))),
                false));
    }

    /// The arguments of a tool whose route gets them as headers.
    ///
    /// @throws IllegalArgumentException as [ToolArguments] does, or naming one that would control Camel
    static ToolArguments arguments(Tool tool) {
        var arguments = new ToolArguments(tool);
        for (var argument : arguments.names()) {
            // A client can have the model write any value.
            if (ControlNames.isControl(argument)) {
                throw new IllegalArgumentException("the parameter " + argument
                        + " has a name that Camel uses for headers of its own; choose another one");
            }
        }
        return arguments;
    }

    private static String firstName(Map<String, Object> parameters) {
        return parameters.keySet().iterator().next();
    }

    private static ObjectNode object(String schema) {
        try {
            if (Json.tree(schema) instanceof ObjectNode object) {
                return object;
            }
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("argSchema is a text that is not JSON: " + e.getOriginalMessage());
        }
        throw new IllegalArgumentException("argSchema is not a JSON schema of an object");
    }

    /// The schema of `NAME=TYPE`, `NAME.description`, `NAME.required` and `NAME.enum`.
    private static String schema(Map<String, Object> parameters) {
        var properties = new LinkedHashMap<String, ObjectNode>();
        var required = JsonNodeFactory.instance.arrayNode();
        parameters.forEach((key, _) -> {
            var name = key.split("\\.", 2)[0];
            properties.computeIfAbsent(
                    name, _ -> JsonNodeFactory.instance.objectNode().put("type", type(parameters, name)));
        });
        parameters.forEach((key, value) -> {
            var parts = key.split("\\.", 2);
            var property = properties.get(parts[0]);
            if (parts.length == 2 && property != null) {
                var text = value.toString();
                switch (parts[1]) {
                    case "description" -> property.put("description", text);
                    case "enum" -> list(text).forEach(property.withArray("enum")::add);
                    case "required" -> {
                        if (isRequired(key, text)) {
                            required.add(parts[0]);
                        }
                    }
                    default ->
                        throw new IllegalArgumentException(
                                "parameter." + key + " is not known; a parameter has description, required and enum");
                }
            }
        });
        properties.values().forEach(ToolDeclaration::withTypedValues);
        var schema = JsonNodeFactory.instance.objectNode().put("type", "object");
        schema.putObject("properties").setAll(properties);
        if (!required.isEmpty()) {
            schema.set("required", required);
        }
        return schema.put("additionalProperties", false).toString();
    }

    private static String type(Map<String, Object> parameters, String name) {
        var written = parameters.getOrDefault(name, "string").toString();
        var named = written.toLowerCase(Locale.ROOT);
        var type = JAVA_TYPES.getOrDefault(named, named);
        if (!TYPES.contains(type)) {
            throw new IllegalArgumentException(
                    "parameter." + name + " is \"" + written + "\"; it must be " + String.join(", ", TYPES));
        }
        return type;
    }

    private static boolean isRequired(String key, String text) {
        return switch (text) {
            case "true" -> true;
            case "false" -> false;
            default ->
                throw new IllegalArgumentException(
                        "parameter." + key + " is \"" + text + "\"; it must be true or false");
        };
    }

    /// An enum of numbers has numbers, and not their texts.
    private static void withTypedValues(ObjectNode property) {
        if (!property.has("enum") || property.path("type").asText().equals("string")) {
            return;
        }
        var values = JsonNodeFactory.instance.arrayNode();
        for (var value : property.get("enum")) {
            try {
                values.add(Json.tree(value.asText()));
            } catch (JsonProcessingException _) {
                throw new IllegalArgumentException(
                        "enum has " + value + ", which is not of the type " + property.get("type"));
            }
        }
        property.set("enum", values);
    }

    /// The entries of a list that is separated by commas.
    static List<String> list(@Nullable String text) {
        return text == null
                ? List.of()
                : Stream.of(text.split(","))
                        .map(String::strip)
                        .filter(entry -> !entry.isEmpty())
                        .distinct()
                        .toList();
    }
}
