package dev.llmworker.serving.request;

import dev.llmworker.generation.AnswerFormat;
import dev.llmworker.serving.wire.Json;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.serving.wire.StrictJson;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Reads what an answer must look like: `response_format` of OpenAI's API, and `structured_outputs`, `guided_json`,
/// `guided_regex` and `guided_choice` of vLLM's.
public final class AnswerFormats {
    /// The names of all of these.
    public static final Set<String> FIELDS =
            Set.of("response_format", "structured_outputs", "guided_json", "guided_regex", "guided_choice");

    /// Members that do not change what is allowed.
    private static final Set<String> OF_JSON_SCHEMA = Set.of("name", "description", "strict", "schema");
    private static final int MAX_CHOICES = 1_000;

    private AnswerFormats() {}

    /// Null if the request asks for no format.
    ///
    /// @throws RequestException if a format is not supported, or there is more than one
    public static @Nullable AnswerFormat read(RequestFields fields) {
        var found = new ArrayList<AnswerFormat>();
        responseFormat(fields.object("response_format"), found);
        structuredOutputs(fields.object("structured_outputs"), found);
        add("guided_json", fields.fields().get("guided_json"), found);
        add("guided_regex", fields.fields().get("guided_regex"), found);
        add("guided_choice", fields.fields().get("guided_choice"), found);
        if (found.size() > 1) {
            throw RequestException.invalid(
                    found.get(1).field(),
                    found.get(0).field() + " and " + found.get(1).field() + " are both there; send one of them");
        }
        return found.isEmpty() ? null : found.getFirst();
    }

    private static void responseFormat(Map<?, ?> format, List<AnswerFormat> found) {
        if (UnsupportedFields.asksForNothing(format)) {
            return;
        }
        var type = new RequestFields(format).textOrNull("type");
        switch (type) {
            case "text" -> onlyMembers("response_format", format, Set.of("type"));
            case "json_object" -> {
                onlyMembers("response_format", format, Set.of("type", "schema"));
                var schema = format.get("schema");
                if (schema == null) {
                    found.add(AnswerFormat.Json.object("response_format"));
                } else {
                    found.add(json("response_format.schema", schema));
                }
            }
            case "json_schema" -> {
                onlyMembers("response_format", format, Set.of("type", "json_schema"));
                var member = "response_format.json_schema";
                if (!(format.get("json_schema") instanceof Map<?, ?> described)) {
                    throw RequestFields.wrong(member, format.get("json_schema"), "an object");
                }
                onlyMembers(member, described, OF_JSON_SCHEMA);
                if (described.get("schema") == null) {
                    throw RequestException.invalid(member, member + ".schema is missing; it must be a JSON schema");
                }
                found.add(json(member + ".schema", described.get("schema")));
            }
            case null, default ->
                throw RequestFields.wrong("response_format.type", type, "text, json_object or json_schema");
        }
    }

    private static void structuredOutputs(Map<?, ?> outputs, List<AnswerFormat> found) {
        outputs.forEach((key, value) -> {
            var name = "structured_outputs." + key;
            switch (String.valueOf(key)) {
                case "json", "regex", "choice" -> add(name, value, found);
                case "json_object" -> {
                    if (new RequestFields(outputs).flag("json_object", false)) {
                        found.add(AnswerFormat.Json.object(name));
                    }
                }
                default -> refuse(name, value);
            }
        });
    }

    private static void add(String name, @Nullable Object value, List<AnswerFormat> found) {
        if (value == null || List.of().equals(value)) {
            return;
        }
        found.add(
                switch (name.substring(Math.max(name.lastIndexOf('.'), name.lastIndexOf('_')) + 1)) {
                    case "regex" -> new AnswerFormat.Pattern(name, new RequestFields(Map.of(name, value)).text(name));
                    case "choice" -> choice(name, value);
                    default -> json(name, value);
                });
    }

    private static AnswerFormat choice(String name, Object value) {
        var options = new RequestFields(Map.of(name, value)).texts(name);
        if (!(value instanceof List) || options.size() > MAX_CHOICES) {
            throw RequestFields.wrong(name, value, "a list of 1 to " + MAX_CHOICES + " texts");
        }
        return new AnswerFormat.Choice(name, options);
    }

    /// A schema, as JSON or as a text of it.
    private static AnswerFormat json(String name, Object schema) {
        return switch (schema) {
            case String text -> new AnswerFormat.Json(name, checked(name, text));
            case Map<?, ?> object -> new AnswerFormat.Json(name, Json.text(object));
            case Boolean any -> new AnswerFormat.Json(name, any.toString());
            default -> throw RequestFields.wrong(name, schema, "a JSON schema");
        };
    }

    private static String checked(String name, String text) {
        try {
            var _ = StrictJson.check(text, name);
            return text;
        } catch (RequestException _) {
            throw RequestException.invalid(name, name + " is a text that is not JSON");
        }
    }

    private static void onlyMembers(String name, Map<?, ?> object, Set<String> known) {
        object.forEach((key, value) -> {
            if (!known.contains(String.valueOf(key))) {
                refuse(name + "." + key, value);
            }
        });
    }

    private static void refuse(String name, @Nullable Object value) {
        if (!UnsupportedFields.asksForNothing(value)) {
            throw RequestException.invalid(name.substring(0, name.indexOf('.')), name + " is not supported");
        }
    }
}
