package dev.llmworker.text.answer;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonPointer;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.llmworker.constraint.Expression;
import dev.llmworker.text.WholeCharacters;
import dev.llmworker.text.tools.Tool;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;

/// The JSON schema of a tool's arguments: an object's. If it names arguments, others are not allowed, unless it
/// says that they are. It keeps the text and what it found out, and not the parsed JSON, which may be 40 times as
/// large: answers hold it while they wait and run.
public final class ToolSchema {
    private static final int MAX_DEPTH = 128;
    private static final int MAX_SHOWN = 100;
    /// How many references are followed to find how one argument is written.
    private static final int MAX_REFERENCES = 500;
    /// How many arguments may be written one by one.
    private static final int MAX_SEPARATE = 256;
    private static final String ADDITIONAL = "additionalProperties";
    /// Keywords that say something about an object beside its properties.
    private static final List<String> COMBINING = List.of(
            "$ref", "allOf", "anyOf", "oneOf", "patternProperties", "propertyNames", "minProperties", "maxProperties");
    /// Names of arguments that no marker is part of.
    private static final Pattern SEPARATE = Pattern.compile(Expression.BARE_NAME);

    private static final int MAX_NAME = 256;

    private static final JsonMapper JSON = JsonMapper.builder(JsonFactory.builder()
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNestingDepth(MAX_DEPTH)
                            .build())
                    .build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    /// How a value is written where strings have no quotes.
    enum Writing {
        /// As it is.
        TEXT,
        /// As it is, or `null`.
        TEXT_OR_NULL,
        JSON
    }

    /// @param pointer to its schema
    record Argument(String name, String pointer, boolean isRequired, Writing writing) {}

    private final String json;
    private final Map<String, Argument> arguments = new LinkedHashMap<>();
    /// An argument that is required and is not among the properties.
    private final @Nullable String undeclared;
    /// A keyword that says something about several arguments.
    private final @Nullable String combining;

    /// @throws IllegalArgumentException if it is no object's schema, or too long
    ToolSchema(Tool tool) {
        var root = object(tool);
        json = root.toString();
        if (json.length() > Expression.MAX_SCHEMA_CHARACTERS) {
            throw new IllegalArgumentException("the parameters of " + tool.name() + " have " + json.length()
                    + " characters; the limit is " + Expression.MAX_SCHEMA_CHARACTERS);
        }
        var writings = new Writings(root);
        var required = new LinkedHashSet<String>();
        root.path("required").forEach(name -> required.add(name.asText()));
        root.path("properties").properties().forEach(property -> {
            var name = property.getKey();
            arguments.put(
                    name,
                    new Argument(
                            name,
                            "#/properties/"
                                    + name.replace("~", "~0").replace("/", "~1").replace("%", "%25"),
                            required.contains(name),
                            writings.of(property.getValue())));
        });
        undeclared = required.stream()
                .filter(name -> !arguments.containsKey(name))
                .findFirst()
                .orElse(null);
        combining = COMBINING.stream().filter(root::has).findFirst().orElse(null);
    }

    private static ObjectNode object(Tool tool) {
        JsonNode read;
        try {
            read = JSON.readTree(tool.parameters());
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(
                    "the parameters of " + tool.name() + " are no JSON: " + e.getOriginalMessage());
        }
        if (!(read instanceof ObjectNode object)) {
            throw new IllegalArgumentException("the parameters of " + tool.name() + " are no JSON schema of an object");
        }
        if (!object.has("type")) {
            object.put("type", "object");
        }
        if (!object.get("type").asText().equals("object")) {
            throw new IllegalArgumentException("the parameters of " + tool.name() + " have the type "
                    + object.get("type") + "; it must be object");
        }
        if (object.has("properties")
                && !object.has(ADDITIONAL)
                && COMBINING.stream().noneMatch(object::has)) {
            object.put(ADDITIONAL, false);
        }
        return object;
    }

    /// Requires that each argument can be written by itself: nothing is said about several of them.
    ///
    /// @param form which writes each argument by itself
    /// @throws IllegalArgumentException if something is, or the form cannot write a name
    void requireSeparate(String tool, CallForm form) {
        if (arguments.size() > MAX_SEPARATE) {
            throw new IllegalArgumentException("the parameters of " + tool + " have " + arguments.size()
                    + " properties; the limit is " + MAX_SEPARATE
                    + " with this model's format of calls, which writes each argument by itself");
        }
        if (undeclared != null) {
            throw new IllegalArgumentException(
                    "the parameters of " + tool + " require " + undeclared + ", which is not among the properties");
        }
        arguments.keySet().stream()
                .filter(name ->
                        name.length() > MAX_NAME || !SEPARATE.matcher(name).matches() || !form.canName(name))
                .findFirst()
                .ifPresent(name -> {
                    throw new IllegalArgumentException("the parameters of " + tool + " have a property with the name \""
                            + name + "\", which this model's format of calls cannot write");
                });
        if (combining != null) {
            throw new IllegalArgumentException("the parameters of " + tool + ": $." + combining
                    + " is not supported by this model's format of calls, which writes each argument by itself");
        }
    }

    /// The schema as text.
    String json() {
        return json;
    }

    /// The arguments that it names, in order.
    List<Argument> arguments() {
        return List.copyOf(arguments.values());
    }

    /// How a value is written.
    Writing writing(String argument) {
        var known = arguments.get(argument);
        return known == null ? Writing.JSON : known.writing();
    }

    /// Finds how the values of a schema's parts are written.
    private static final class Writings {
        private final ObjectNode root;
        private final Map<String, JsonNode> referred = new HashMap<>();

        Writings(ObjectNode root) {
            this.root = root;
        }

        /// Text, if a schema allows strings and nothing else but null. Each reference is followed once.
        Writing of(JsonNode schema) {
            var isNullable = false;
            var isText = false;
            var visited = new HashSet<String>();
            var pending = new ArrayDeque<>(List.of(schema));
            while (!pending.isEmpty()) {
                var next = pending.pop();
                isNullable |= next.path("nullable").asBoolean();
                if (next.path("$ref").isTextual() && next.size() == 1) {
                    var reference = next.get("$ref").asText();
                    if (visited.add(reference)) {
                        pending.push(referred.computeIfAbsent(reference, this::referred));
                    }
                    if (visited.size() > MAX_REFERENCES) {
                        return Writing.JSON;
                    }
                    continue;
                }
                var branches = next.has("anyOf") ? next.get("anyOf") : next.path("oneOf");
                if (branches.isArray() && !next.has("type") && !next.has("enum") && !next.has("const")) {
                    branches.forEach(pending::push);
                    continue;
                }
                for (var type : types(next)) {
                    switch (type) {
                        case "string" -> isText = true;
                        case "null" -> isNullable = true;
                        default -> {
                            return Writing.JSON;
                        }
                    }
                }
            }
            return !isText ? Writing.JSON : isNullable ? Writing.TEXT_OR_NULL : Writing.TEXT;
        }

        private JsonNode referred(String reference) {
            try {
                return reference.startsWith("#")
                        ? root.at(JsonPointer.compile(reference.substring(1)))
                        : JSON.nullNode();
            } catch (IllegalArgumentException _) {
                return JSON.nullNode();
            }
        }
    }

    private static List<String> types(JsonNode schema) {
        var type = schema.path("type");
        if (type.isTextual()) {
            return List.of(type.asText());
        }
        var listed = schema.has("const") ? JSON.createArrayNode().add(schema.get("const")) : schema.path("enum");
        var source = type.isArray() ? type : listed;
        if (source.isEmpty()) {
            return List.of("any");
        }
        return StreamSupport.stream(source.spliterator(), false)
                .map(one -> type.isArray() ? one.asText() : one.isTextual() ? "string" : one.isNull() ? "null" : "any")
                .toList();
    }

    /// JSON as templates read it.
    ///
    /// @throws IllegalArgumentException if it is no JSON
    public static @Nullable Object plain(String json) {
        return plain(read(json));
    }

    /// The members of a JSON object. A blank text is an empty object.
    ///
    /// @throws IllegalArgumentException if it is none
    static Map<String, JsonNode> members(String json) {
        if (json.isBlank()) {
            return Map.of();
        }
        if (!(read(json) instanceof ObjectNode object)) {
            throw new IllegalArgumentException("the arguments of a tool call are no JSON object: " + shortened(json));
        }
        var members = new LinkedHashMap<String, JsonNode>();
        object.properties().forEach(member -> members.put(member.getKey(), member.getValue()));
        return members;
    }

    /// The arguments of a call as templates read them.
    public static Map<String, @Nullable Object> arguments(String json) {
        var arguments = new LinkedHashMap<String, @Nullable Object>();
        members(json).forEach((name, value) -> arguments.put(name, plain(value)));
        return arguments;
    }

    /// JSON with its names and strings changed.
    public static String changed(String json, UnaryOperator<String> change) {
        return json.isBlank() ? json : changed(read(json), change).toString();
    }

    private static JsonNode changed(JsonNode node, UnaryOperator<String> change) {
        if (node.isTextual()) {
            return JSON.getNodeFactory().textNode(change.apply(node.asText()));
        }
        if (node.isArray()) {
            var items = JSON.createArrayNode();
            node.forEach(item -> items.add(changed(item, change)));
            return items;
        }
        if (node.isObject()) {
            var members = JSON.createObjectNode();
            node.properties()
                    .forEach(member -> members.set(change.apply(member.getKey()), changed(member.getValue(), change)));
            return members;
        }
        return node;
    }

    private static JsonNode read(String json) {
        try {
            return JSON.readTree(json);
        } catch (JsonProcessingException _) {
            throw new IllegalArgumentException("a tool call or a tool has text that is no JSON: " + shortened(json));
        }
    }

    private static String shortened(String text) {
        return text.length() > MAX_SHOWN ? WholeCharacters.beginning(text, MAX_SHOWN) + "…" : text;
    }

    private static @Nullable Object plain(JsonNode node) {
        return switch (node.getNodeType()) {
            case OBJECT -> {
                var members = new LinkedHashMap<String, @Nullable Object>();
                node.properties().forEach(member -> members.put(member.getKey(), plain(member.getValue())));
                yield members;
            }
            case ARRAY -> {
                var items = new ArrayList<@Nullable Object>();
                node.forEach(item -> items.add(plain(item)));
                yield items;
            }
            case STRING -> node.asText();
            case BOOLEAN -> node.asBoolean();
            case NUMBER ->
                node.canConvertToLong() && node.isIntegralNumber() ? (Object) node.asLong() : (Object) node.asDouble();
            case BINARY, MISSING, NULL, POJO -> null;
        };
    }

    /// A string as JSON, without its quotes.
    static String escaped(String text) {
        var quoted = JSON.getNodeFactory().textNode(text).toString();
        return quoted.substring(1, quoted.length() - 1);
    }
}
