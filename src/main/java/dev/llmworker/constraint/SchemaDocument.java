package dev.llmworker.constraint;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonPointer;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A JSON schema as it is written: its places, what refers to what, and in which ways its branches combine.
///
/// Threading: one thread at a time.
final class SchemaDocument {
    /// A schema within the document.
    ///
    /// @param via the schema that applies this one to the same value; null if there is none
    record Place(JsonNode schema, String path, @Nullable Place via) {
        ConstraintException rejected(String keyword, String problem) {
            return new ConstraintException(child(path, keyword), problem);
        }
    }

    /// Branches of which one holds.
    private record Choice(Place place, List<Place> options, boolean isExclusive) {}

    /// Schemas that hold together for one value.
    private static final class Branch {
        final List<Place> places = new ArrayList<>();
        final Set<JsonNode> seen = Collections.newSetFromMap(new IdentityHashMap<>());
        final Deque<Choice> choices = new ArrayDeque<>();

        Branch copy() {
            var copy = new Branch();
            copy.places.addAll(places);
            copy.seen.addAll(seen);
            copy.choices.addAll(choices);
            return copy;
        }
    }

    private static final Set<String> ENFORCED = Set.of(
            "$ref",
            "additionalItems",
            "additionalProperties",
            "allOf",
            "anyOf",
            "const",
            "enum",
            "exclusiveMaximum",
            "exclusiveMinimum",
            "format",
            "items",
            "maxItems",
            "maxLength",
            "maxProperties",
            "maximum",
            "minItems",
            "minLength",
            "minProperties",
            "minimum",
            "multipleOf",
            "nullable",
            "oneOf",
            "pattern",
            "patternProperties",
            "prefixItems",
            "properties",
            "propertyNames",
            "required",
            "type");
    /// These change nothing about which values are valid.
    private static final Set<String> ANNOTATIONS = Set.of(
            "$anchor",
            "$comment",
            "$defs",
            "$id",
            "$schema",
            "$vocabulary",
            "contentEncoding",
            "contentMediaType",
            "contentSchema",
            "default",
            "definitions",
            "deprecated",
            "description",
            "discriminator",
            "enumDescriptions",
            "enumNames",
            "example",
            "examples",
            "externalDocs",
            "markdownDescription",
            "propertyOrdering",
            "readOnly",
            "title",
            "writeOnly",
            "xml");
    /// These change nothing with this value.
    private static final Map<String, Boolean> WITHOUT_EFFECT =
            Map.of("uniqueItems", false, "unevaluatedProperties", true, "unevaluatedItems", true);

    /// What it takes to compare two branches of `oneOf`, besides what their schemas take.
    private static final int PAIR_STEPS = 20;

    private static final JsonMapper MAPPER = JsonMapper.builder(JsonFactory.builder()
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
                    .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
                    .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNestingDepth(Limits.SCHEMA_DEPTH)
                            .build())
                    .build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .build();

    private final JsonNode root;
    private final Map<String, Dfa> patterns = new HashMap<>();
    private final Set<JsonNode> checked = Collections.newSetFromMap(new IdentityHashMap<>());
    private final Work work;

    /// @param work what all of its constraint spends from
    /// @throws ConstraintException if it is not JSON, or too large
    SchemaDocument(String text, Work work) {
        this.work = work;
        if (text.length() > Limits.SCHEMA_CHARACTERS) {
            throw new ConstraintException(
                    "$", "has " + text.length() + " characters; the limit is " + Limits.SCHEMA_CHARACTERS);
        }
        try {
            root = MAPPER.readTree(text);
        } catch (JsonProcessingException e) {
            throw new ConstraintException("$", "is not valid JSON: " + e.getOriginalMessage());
        }
        if (!root.isObject() && !root.isBoolean()) {
            throw new ConstraintException("$", "is not a JSON schema: it must be an object or a boolean");
        }
    }

    /// What compiling a place spends its steps from.
    Work work(String path) {
        return work.at(path);
    }

    /// The schema at a JSON pointer, which begins with `#`.
    Place at(String reference) {
        return referred(new Place(root, "$", null), reference, null);
    }

    /// The path of a member, such as `$.properties["a b"]`.
    static String child(String path, String name) {
        var isWord =
                !name.isEmpty() && name.chars().allMatch(c -> Character.isLetterOrDigit(c) || c == '_' || c == '$');
        var shown = name.length() > 100 ? name.substring(0, 100) + "…" : name;
        return isWord ? path + '.' + shown : path + "[\"" + shown + "\"]";
    }

    /// The schema of a keyword.
    static Place member(Place place, String keyword) {
        return new Place(place.schema.get(keyword), child(place.path, keyword), null);
    }

    /// The schema of a name below a keyword, such as `properties`.
    static Place member(Place place, String keyword, String name) {
        return new Place(place.schema.get(keyword).get(name), child(child(place.path, keyword), name), null);
    }

    /// The schemas of a keyword that has a list of them.
    static List<Place> list(Place place, String keyword, @Nullable Place via) {
        var list = place.schema.get(keyword);
        if (!list.isArray() || list.isEmpty()) {
            throw place.rejected(keyword, "must be a list of schemas that is not empty");
        }
        var found = new ArrayList<Place>();
        for (var i = 0; i < list.size(); i++) {
            found.add(new Place(list.get(i), child(place.path, keyword) + '[' + i + ']', via));
        }
        return found;
    }

    /// A regular expression of the schema; the same one is compiled once.
    Dfa pattern(String path, String pattern) {
        return patterns.computeIfAbsent(pattern, _ -> Regex.search(work.at(path), pattern));
    }

    /// The ways in which schemas can hold together: in each, all its schemas hold, and none has branches any
    /// more. An empty list means that no value is allowed.
    ///
    /// @throws ConstraintException if a schema uses what is not supported, or branches of `oneOf` may hold
    ///     together
    List<List<Place>> alternatives(List<Place> together) {
        var found = new ArrayList<List<Place>>();
        expand(new Branch(), new ArrayDeque<>(together), true, found);
        return found;
    }

    private void expand(Branch branch, Deque<Place> open, boolean checksOneOf, List<List<Place>> found) {
        while (!open.isEmpty()) {
            var place = open.removeFirst();
            work.at(place.path).spend(1);
            if (place.schema.isBoolean()) {
                if (place.schema.booleanValue()) {
                    continue;
                }
                return;
            }
            check(place);
            if (branch.seen.add(place.schema)) {
                branch.places.add(place);
                apply(place, branch, open);
            }
        }
        if (branch.choices.isEmpty()) {
            found.add(branch.places);
            if (found.size() > Limits.ALTERNATIVES) {
                throw new ConstraintException(
                        branch.places.getFirst().path,
                        "combines in more than " + Limits.ALTERNATIVES
                                + " ways; the limit bounds anyOf, oneOf and allOf");
            }
            return;
        }
        var choice = branch.choices.removeFirst();
        if (choice.isExclusive && checksOneOf) {
            requireDisjoint(branch, choice);
        }
        for (var option : choice.options) {
            work.at(option.path).spend(branch.places.size() + branch.choices.size());
            expand(branch.copy(), new ArrayDeque<>(List.of(option)), checksOneOf, found);
        }
    }

    /// Adds what a schema applies to the same value.
    private void apply(Place place, Branch branch, Deque<Place> open) {
        var next = new ArrayList<Place>();
        if (place.schema.has("$ref")) {
            next.add(referred(place));
        }
        if (place.schema.has("allOf")) {
            next.addAll(list(place, "allOf", place));
        }
        next.reversed().forEach(open::addFirst);
        for (var keyword : List.of("anyOf", "oneOf")) {
            if (place.schema.has(keyword)) {
                branch.choices.add(new Choice(place, list(place, keyword, place), keyword.equals("oneOf")));
            }
        }
    }

    private void requireDisjoint(Branch branch, Choice choice) {
        var options = choice.options;
        if (options.size() > Limits.ALTERNATIVES) {
            throw choice.place.rejected(
                    "oneOf", "has " + options.size() + " branches; the limit is " + Limits.ALTERNATIVES);
        }
        for (var i = 0; i < options.size(); i++) {
            for (var j = i + 1; j < options.size(); j++) {
                work.at(choice.place.path).spend(PAIR_STEPS + branch.places.size());
                var both = branch.copy();
                both.choices.clear();
                var ways = new ArrayList<List<Place>>();
                expand(both, new ArrayDeque<>(List.of(options.get(i), options.get(j))), false, ways);
                if (!ways.stream().allMatch(way -> new Shape(this, way).isEmpty())) {
                    throw choice.place.rejected(
                            "oneOf",
                            "has branches that one value may match both: " + i + " and " + j
                                    + ". Give them different types, or a required property with different constants,"
                                    + " or use anyOf");
                }
            }
        }
    }

    private void check(Place place) {
        if (!place.schema.isObject()) {
            throw new ConstraintException(place.path, "is not a JSON schema: it must be an object or a boolean");
        }
        var references = 0;
        for (var via = place.via; via != null; via = via.via) {
            if (++references > Limits.REFERENCES) {
                throw new ConstraintException(
                        place.path, "is referred to through more schemas than the limit of " + Limits.REFERENCES);
            }
            if (via.schema == place.schema) {
                throw new ConstraintException(place.path, "refers to itself without a value in between");
            }
        }
        work.at(place.path).spend(references);
        if (!checked.add(place.schema)) {
            return;
        }
        place.schema.properties().forEach(field -> {
            var name = field.getKey();
            var isKnown = ENFORCED.contains(name)
                    || ANNOTATIONS.contains(name)
                    || name.startsWith("x-")
                    || WITHOUT_EFFECT.containsKey(name)
                            && field.getValue().isBoolean()
                            && field.getValue().booleanValue() == WITHOUT_EFFECT.get(name);
            if (!isKnown) {
                throw place.rejected(name, "is not supported");
            }
        });
        if (place.schema.has("$id") && place.schema != root) {
            throw place.rejected("$id", "is not supported below the root");
        }
    }

    private Place referred(Place place) {
        var reference = place.schema.get("$ref");
        var text = reference.asText();
        var own = root.path("$id").asText();
        var local = !own.isEmpty() && text.startsWith(own + '#') ? text.substring(own.length()) : text;
        if (!reference.isTextual() || !local.equals("#") && !local.startsWith("#/")) {
            throw place.rejected("$ref", "must be a JSON pointer within the schema, such as #/$defs/name");
        }
        return referred(place, local, place);
    }

    /// @param via the schema that applies the one at `local` to the same value
    private Place referred(Place place, String local, @Nullable Place via) {
        var pointer = pointer(place, local.substring(1));
        var target = root.at(pointer);
        if (target.isMissingNode()) {
            throw place.rejected("$ref", "refers to " + local + ", which is not in the schema");
        }
        var path = "$";
        for (var part = pointer; !part.matches(); part = part.tail()) {
            path = child(path, part.getMatchingProperty());
        }
        return new Place(target, path, via);
    }

    private static JsonPointer pointer(Place place, String text) {
        try {
            return JsonPointer.compile(URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8));
        } catch (IllegalArgumentException _) {
            throw place.rejected("$ref", "is not a JSON pointer");
        }
    }
}
