package dev.llmworker.constraint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/// Random schemas of what is enforced, and random values, some of which they allow.
final class RandomSchema {
    private static final String[] NAMES = {"a", "ab", "b", "c", "name", "x"};
    private static final String[] STRINGS = {"", "a", "ab", "abc", "b", "x y", "é", "\"", "aaaaaa", "12"};
    private static final String[] PATTERNS = {"^a", "b$", "^[a-c]+$", "a.c", "^(a|ab)*$", "[0-9]", "^.{2,3}$"};
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

    private final Random random;

    RandomSchema(Random random) {
        this.random = random;
    }

    private <T> T one(T[] of) {
        return of[random.nextInt(of.length)];
    }

    private boolean sometimes() {
        return random.nextInt(3) == 0;
    }

    JsonNode schema() {
        return schema(0);
    }

    private ObjectNode schema(int depth) {
        var schema = JSON.objectNode();
        switch (random.nextInt(depth > 2 ? 5 : 10)) {
            case 0 -> string(schema.put("type", "string"));
            case 1 -> number(schema.put("type", "integer"));
            case 2 -> number(schema.put("type", "number"));
            case 3 -> schema.put("type", sometimes() ? "null" : "boolean");
            case 4 -> {
                var values = schema.putArray("enum");
                for (var i = random.nextInt(3); i >= 0; i--) {
                    values.add(value(2));
                }
            }
            case 5 -> array(schema.put("type", "array"), depth);
            case 6 -> schemas(schema.putArray("anyOf"), depth);
            case 7 -> {
                object(schema.put("type", "object"), depth);
                schemas(schema.putArray("allOf"), depth);
            }
            default -> object(schema.put("type", "object"), depth);
        }
        if (depth > 0 && random.nextInt(8) == 0 && schema.has("type")) {
            schema.putArray("type").add("null").add(sometimes() ? "string" : "object");
        }
        return schema;
    }

    private void schemas(ArrayNode list, int depth) {
        for (var i = 0; i < 2; i++) {
            list.add(schema(depth + 1));
        }
    }

    private void string(ObjectNode schema) {
        if (sometimes()) {
            schema.put("minLength", random.nextInt(3));
        }
        if (sometimes()) {
            schema.put("maxLength", 1 + random.nextInt(4));
        }
        if (sometimes()) {
            schema.put("pattern", one(PATTERNS));
        }
    }

    private void number(ObjectNode schema) {
        if (sometimes()) {
            schema.put(sometimes() ? "exclusiveMinimum" : "minimum", random.nextInt(20) - 10);
        }
        if (sometimes()) {
            schema.put(sometimes() ? "exclusiveMaximum" : "maximum", random.nextInt(200) / 10.0);
        }
        if (sometimes()) {
            schema.put("multipleOf", 1 + random.nextInt(4));
        }
    }

    private void array(ObjectNode schema, int depth) {
        if (!sometimes()) {
            schema.set("items", schema(depth + 1));
        }
        if (sometimes()) {
            schema.putArray("prefixItems").add(schema(depth + 1));
        }
        if (sometimes()) {
            schema.put("minItems", random.nextInt(3));
        }
        if (sometimes()) {
            schema.put("maxItems", random.nextInt(4));
        }
    }

    private void object(ObjectNode schema, int depth) {
        var properties = schema.putObject("properties");
        for (var name : NAMES) {
            if (sometimes()) {
                properties.set(name, schema(depth + 1));
                if (random.nextBoolean()) {
                    schema.withArray("required").add(name);
                }
            }
        }
        switch (random.nextInt(6)) {
            case 0 -> schema.put("additionalProperties", false);
            case 1 -> schema.set("additionalProperties", schema(depth + 1));
            case 2 -> schema.putObject("patternProperties").set(one(PATTERNS), schema(depth + 1));
            case 3 -> schema.put("minProperties", random.nextInt(3));
            case 4 -> schema.put("maxProperties", 1 + random.nextInt(3));
            default -> schema.set("propertyNames", JSON.objectNode().put("maxLength", 1 + random.nextInt(3)));
        }
    }

    /// Any value.
    JsonNode value(int depth) {
        return switch (random.nextInt(depth > 2 ? 4 : 7)) {
            case 0 -> JSON.textNode(one(STRINGS));
            case 1 -> JSON.numberNode(random.nextInt(30) - 12);
            case 2 -> random.nextBoolean() ? JSON.nullNode() : JSON.booleanNode(random.nextBoolean());
            case 3 -> JSON.numberNode((random.nextInt(200) - 50) / 4.0 + 0.125);
            case 4 -> {
                var array = JSON.arrayNode();
                for (var i = random.nextInt(3); i > 0; i--) {
                    array.add(value(depth + 1));
                }
                yield array;
            }
            default -> {
                var object = JSON.objectNode();
                for (var name : NAMES) {
                    if (sometimes()) {
                        object.set(name, value(depth + 1));
                    }
                }
                yield object;
            }
        };
    }

    /// A value that is more likely to be allowed.
    JsonNode value(JsonNode schema, int depth) {
        if (random.nextInt(12) == 0 || depth > 4) {
            return value(2);
        }
        for (var branches : List.of("anyOf", "allOf")) {
            if (schema.has(branches) && (branches.equals("anyOf") || sometimes())) {
                return value(schema.get(branches).get(random.nextInt(2)), depth + 1);
            }
        }
        if (schema.has("enum")) {
            return schema.get("enum").get(random.nextInt(schema.get("enum").size()));
        }
        var types = new ArrayList<String>();
        schema.path("type").forEach(type -> types.add(type.asText()));
        var type = types.isEmpty() ? schema.path("type").asText() : types.get(random.nextInt(types.size()));
        return switch (type) {
            case "string" -> JSON.textNode(one(STRINGS));
            case "integer" -> JSON.numberNode(random.nextInt(30) - 12);
            case "number" -> JSON.numberNode((random.nextInt(80) - 20) / 4.0 + 0.125);
            case "array" -> {
                var array = JSON.arrayNode();
                for (var i = random.nextInt(4); i > 0; i--) {
                    array.add(value(schema.path("items"), depth + 1));
                }
                yield array;
            }
            case "object" -> {
                var object = JSON.objectNode();
                schema.path("properties").properties().forEach(field -> {
                    if (random.nextInt(4) > 0) {
                        object.set(field.getKey(), value(field.getValue(), depth + 1));
                    }
                });
                if (sometimes()) {
                    object.set("other", value(schema.path("additionalProperties"), depth + 1));
                }
                yield object;
            }
            default -> value(2);
        };
    }
}
