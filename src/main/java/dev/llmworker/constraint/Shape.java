package dev.llmworker.constraint;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.constraint.Numbers.Bound;
import dev.llmworker.constraint.SchemaDocument.Place;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;

/// What several schemas that hold together say about one value, type by type. None of them has branches.
final class Shape {
    enum Type {
        NULL,
        BOOLEAN,
        NUMBER,
        STRING,
        ARRAY,
        OBJECT
    }

    /// The properties that the schemas do not name.
    ///
    /// @param names null for any name
    /// @param isFree whether characters of the names may be escaped without need
    record Others(@Nullable Dfa names, boolean isFree, List<Place> value) {}

    /// How deep [#isEmpty()] looks; further down it takes a value for possible.
    private static final int EMPTY_DEPTH = 4;
    private static final int MAX_PATTERNS = 6;
    private static final Map<String, String[]> INTEGER_FORMATS = Map.of(
            "int32", new String[] {"-2147483648", "2147483647"},
            "int64", new String[] {"-9223372036854775808", "9223372036854775807"});
    private static final Set<String> NUMBER_FORMATS = Set.of("float", "double");

    private final SchemaDocument document;
    private final List<Place> places;
    final EnumSet<Type> types = EnumSet.allOf(Type.class);
    private @Nullable List<JsonNode> values;
    private Numbers numbers = Numbers.ALL;
    private final List<Dfa> texts = new ArrayList<>();
    /// By schema: the list of items that have schemas of their own.
    private final Map<JsonNode, List<Place>> prefixes = new IdentityHashMap<>();
    private @Nullable Set<String> required;
    private @Nullable List<Place> propertyNames;
    /// The strings that [#propertyNames] allows.
    private @Nullable Dfa allowedNames;
    int minLength;
    int maxLength = Integer.MAX_VALUE;
    int minItems;
    int maxItems = Integer.MAX_VALUE;
    int minProperties;
    int maxProperties = Integer.MAX_VALUE;
    /// Whether some keyword says something about the value.
    private boolean isConstrained;

    Shape(SchemaDocument document, List<Place> places) {
        this.document = document;
        this.places = places;
        for (var place : places) {
            work().spend(1 + place.schema().size());
            place.schema().properties().forEach(field -> read(place, field.getKey(), field.getValue()));
        }
    }

    String path() {
        return places.isEmpty() ? "$" : places.getFirst().path();
    }

    private Work work() {
        return document.work(path());
    }

    boolean allowsAnything() {
        return !isConstrained;
    }

    private void read(Place place, String keyword, JsonNode value) {
        isConstrained |= !keyword.startsWith("$") && !keyword.startsWith("x-");
        switch (keyword) {
            case "type" -> types(place, value);
            case "const" -> limit(List.of(value));
            case "enum" -> {
                if (!value.isArray() || value.isEmpty()) {
                    throw place.rejected(keyword, "must be a list that is not empty");
                }
                limit(StreamSupport.stream(value.spliterator(), false).toList());
            }
            case "minimum" -> bound(bound(place, keyword, "exclusiveMinimum"), null);
            case "maximum" -> bound(null, bound(place, keyword, "exclusiveMaximum"));
            case "exclusiveMinimum" -> {
                if (!value.isBoolean()) {
                    bound(new Bound(decimal(place, keyword), true), null);
                }
            }
            case "exclusiveMaximum" -> {
                if (!value.isBoolean()) {
                    bound(null, new Bound(decimal(place, keyword), true));
                }
            }
            case "multipleOf" -> {
                var divisor = decimal(place, keyword);
                if (divisor.signum() <= 0) {
                    throw place.rejected(keyword, "must be above 0");
                }
                numbers = numbers.and(new Numbers(false, null, null, divisor));
                // The least common multiple of several.
                exact(place.path(), Objects.requireNonNull(numbers.multiple()));
            }
            case "minLength" -> minLength = Math.max(minLength, least(place, keyword));
            case "maxLength" -> maxLength = Math.min(maxLength, count(place, keyword));
            case "minItems" -> minItems = Math.max(minItems, least(place, keyword));
            case "maxItems" -> maxItems = Math.min(maxItems, count(place, keyword));
            case "minProperties" -> minProperties = Math.max(minProperties, least(place, keyword));
            case "maxProperties" -> maxProperties = Math.min(maxProperties, count(place, keyword));
            case "pattern" -> texts.add(document.pattern(place.path() + ".pattern", text(place, keyword)));
            case "format" -> format(place, text(place, keyword));
            case "properties", "patternProperties" -> {
                if (!value.isObject()) {
                    throw place.rejected(keyword, "must be an object of schemas");
                }
            }
            case "required" -> required(place);
            default -> {
                // Schemas of parts are read when the parts are; what changes nothing is ignored.
            }
        }
    }

    private void types(Place place, JsonNode value) {
        var allowed = EnumSet.noneOf(Type.class);
        var onlyIntegers = true;
        for (var name : value.isArray() ? value : List.of(value)) {
            switch (name.asText()) {
                case "null" -> allowed.add(Type.NULL);
                case "boolean" -> allowed.add(Type.BOOLEAN);
                case "integer" -> allowed.add(Type.NUMBER);
                case "number" -> {
                    allowed.add(Type.NUMBER);
                    onlyIntegers = false;
                }
                case "string" -> allowed.add(Type.STRING);
                case "array" -> allowed.add(Type.ARRAY);
                case "object" -> allowed.add(Type.OBJECT);
                default -> throw place.rejected("type", "has an unknown type: " + name);
            }
        }
        if (place.schema().path("nullable").asBoolean()) {
            allowed.add(Type.NULL);
        }
        types.retainAll(allowed);
        if (onlyIntegers) {
            numbers = numbers.and(new Numbers(true, null, null, null));
        }
    }

    private void limit(List<JsonNode> allowed) {
        work().spend(values == null ? 0 : (long) values.size() * allowed.size());
        values = values == null
                ? allowed
                : values.stream()
                        .filter(value -> allowed.stream().anyMatch(other -> isSame(value, other)))
                        .toList();
    }

    private static boolean isSame(JsonNode a, JsonNode b) {
        return a.equals(
                (x, y) -> x.isNumber() && y.isNumber()
                        ? x.decimalValue().compareTo(y.decimalValue())
                        : x.equals(y) ? 0 : 1,
                b);
    }

    private void bound(@Nullable Bound least, @Nullable Bound most) {
        numbers = numbers.and(new Numbers(false, least, most, null));
    }

    /// Draft 4 says beside a bound whether it is exclusive.
    private static Bound bound(Place place, String keyword, String exclusive) {
        return new Bound(decimal(place, keyword), place.schema().path(exclusive).asBoolean(false));
    }

    private static BigDecimal decimal(Place place, String keyword) {
        var value = place.schema().get(keyword);
        if (!value.isNumber()) {
            throw place.rejected(keyword, "must be a number");
        }
        return exact(SchemaDocument.child(place.path(), keyword), value.decimalValue());
    }

    /// A number that is small enough to compute with.
    private static BigDecimal exact(String path, BigDecimal value) {
        if (value.precision() > Limits.NUMBER_DIGITS || Math.abs((long) value.scale()) > Limits.NUMBER_DIGITS) {
            throw new ConstraintException(
                    path,
                    "has a number with more than " + Limits.NUMBER_DIGITS
                            + " digits, or as many before or after the point; the limit bounds time");
        }
        return value;
    }

    private static String text(Place place, String keyword) {
        var value = place.schema().get(keyword);
        if (!value.isTextual()) {
            throw place.rejected(keyword, "must be a string");
        }
        return value.asText();
    }

    private static int count(Place place, String keyword) {
        var value = decimal(place, keyword);
        if (value.signum() < 0
                || value.signum() > 0 && value.stripTrailingZeros().scale() > 0) {
            throw place.rejected(keyword, "must be a whole number that is not negative");
        }
        return value.min(BigDecimal.valueOf(Integer.MAX_VALUE)).intValue();
    }

    private static int least(Place place, String keyword) {
        var value = count(place, keyword);
        if (value == Integer.MAX_VALUE) {
            throw place.rejected(keyword, "is above the limit of " + (Integer.MAX_VALUE - 1));
        }
        return value;
    }

    private void format(Place place, String format) {
        var known = Formats.find(format);
        if (known != null) {
            texts.add(known);
        } else if (INTEGER_FORMATS.containsKey(format)) {
            var bounds = INTEGER_FORMATS.get(format);
            bound(new Bound(new BigDecimal(bounds[0]), false), new Bound(new BigDecimal(bounds[1]), false));
        } else if (!NUMBER_FORMATS.contains(format)) {
            throw place.rejected(
                    "format",
                    "is \"" + format + "\", which is not supported; supported: " + String.join(", ", Formats.names()));
        }
    }

    private void required(Place place) {
        var value = place.schema().get("required");
        if (!value.isArray() || StreamSupport.stream(value.spliterator(), false).anyMatch(name -> !name.isTextual())) {
            throw place.rejected("required", "must be a list of strings");
        }
    }

    Numbers numbers() {
        return numbers;
    }

    /// The strings; null for any of the length.
    @Nullable
    Dfa strings() {
        if (texts.isEmpty()) {
            return null;
        }
        var all = texts.getFirst();
        for (var other : texts.subList(1, texts.size())) {
            all = all.combine(work(), Dfa.Operation.AND, other);
        }
        return minLength == 0 && maxLength == Integer.MAX_VALUE
                ? all
                : all.combine(work(), Dfa.Operation.AND, Dfa.length(work(), minLength, maxLength));
    }

    /// The values that are listed and allowed; null if none are listed.
    @Nullable
    List<JsonNode> values() {
        return values == null ? null : values.stream().filter(this::matches).toList();
    }

    /// The items that have a schema of their own.
    int prefix() {
        return places.stream().mapToInt(Shape::prefix).max().orElse(0);
    }

    private static int prefix(Place place) {
        return place.schema().has("prefixItems")
                ? place.schema().get("prefixItems").size()
                : place.schema().path("items").isArray()
                        ? place.schema().get("items").size()
                        : 0;
    }

    /// What the item at an index must be.
    List<Place> item(int index) {
        work().spend(1 + places.size());
        var found = new ArrayList<Place>();
        for (var place : places) {
            var keyword = place.schema().has("prefixItems") ? "prefixItems" : "items";
            // Before 2020 a list of items was what prefixItems is now.
            var rest = place.schema().path("items").isArray() ? "additionalItems" : "items";
            if (index < prefix(place)) {
                found.add(prefixes.computeIfAbsent(place.schema(), _ -> SchemaDocument.list(place, keyword, null))
                        .get(index));
            } else if (place.schema().has(rest)) {
                found.add(SchemaDocument.member(place, rest));
            }
        }
        return found;
    }

    /// The properties with a name in the schemas, in their order, those that are only required last.
    Set<String> names() {
        var names = new LinkedHashSet<String>();
        for (var place : places) {
            place.schema().path("properties").fieldNames().forEachRemaining(names::add);
        }
        names.addAll(required());
        return names;
    }

    Set<String> required() {
        if (required == null) {
            required = new LinkedHashSet<>();
            for (var place : places) {
                for (var name : place.schema().path("required")) {
                    required.add(name.asText());
                }
            }
            work().spend(required.size());
        }
        return required;
    }

    /// What the value of a property must be.
    List<Place> property(String name) {
        return property(
                (place, pattern) -> document.pattern(place.path() + ".patternProperties", pattern)
                        .matches(name),
                name);
    }

    private List<Place> property(BiFunction<Place, String, Boolean> matches, @Nullable String name) {
        work().spend(4L * places.size());
        var found = new ArrayList<Place>();
        for (var place : places) {
            var own = new ArrayList<Place>();
            if (name != null && place.schema().path("properties").has(name)) {
                own.add(SchemaDocument.member(place, "properties", name));
            }
            place.schema().path("patternProperties").fieldNames().forEachRemaining(pattern -> {
                if (matches.apply(place, pattern)) {
                    own.add(SchemaDocument.member(place, "patternProperties", pattern));
                }
            });
            if (own.isEmpty() && place.schema().has("additionalProperties")) {
                own.add(SchemaDocument.member(place, "additionalProperties"));
            }
            found.addAll(own);
        }
        return found;
    }

    boolean isNameAllowed(String name) {
        if (propertyNames().isEmpty()) {
            return true;
        }
        work().spend(name.length());
        return allowedNames().matches(name);
    }

    private Dfa allowedNames() {
        if (allowedNames == null) {
            allowedNames = strings(document, work(), propertyNames());
        }
        return allowedNames;
    }

    private List<Place> propertyNames() {
        if (propertyNames == null) {
            propertyNames = places.stream()
                    .filter(place -> place.schema().has("propertyNames"))
                    .map(place -> SchemaDocument.member(place, "propertyNames"))
                    .toList();
        }
        return propertyNames;
    }

    /// The properties without a name in the schemas, by the patterns that their names match.
    List<Others> others() {
        var patterns = new LinkedHashMap<String, Dfa>();
        for (var place : places) {
            place.schema()
                    .path("patternProperties")
                    .fieldNames()
                    .forEachRemaining(pattern ->
                            patterns.put(pattern, document.pattern(place.path() + ".patternProperties", pattern)));
        }
        if (patterns.size() > MAX_PATTERNS) {
            throw new ConstraintException(
                    path() + ".patternProperties",
                    "has " + patterns.size() + " patterns; the limit is " + MAX_PATTERNS);
        }
        var texts = List.copyOf(patterns.keySet());
        var found = new ArrayList<Others>();
        for (var chosen = 0; chosen < 1 << patterns.size(); chosen++) {
            var bits = chosen;
            var value = property((_, pattern) -> (bits >> texts.indexOf(pattern) & 1) == 1, null);
            if (value.stream()
                    .anyMatch(place ->
                            place.schema().isBoolean() && !place.schema().booleanValue())) {
                continue;
            }
            var names = otherNames(List.copyOf(patterns.values()), bits);
            if (names == null || !names.isEmpty()) {
                found.add(new Others(names, bits == 0 && propertyNames().isEmpty(), value));
            }
        }
        return found;
    }

    private @Nullable Dfa otherNames(List<Dfa> patterns, int chosen) {
        var names = propertyNames().isEmpty() ? null : allowedNames();
        if (names == null && patterns.isEmpty() && names().isEmpty()) {
            return null;
        }
        names = names == null ? Dfa.ALL : names;
        for (var i = 0; i < patterns.size(); i++) {
            names = names.combine(
                    work(), (chosen >> i & 1) == 1 ? Dfa.Operation.AND : Dfa.Operation.MINUS, patterns.get(i));
        }
        return names.combine(work(), Dfa.Operation.MINUS, Dfa.literals(work(), names()));
    }

    /// The strings that schemas allow.
    static Dfa strings(SchemaDocument document, Work work, List<Place> schemas) {
        var all = Dfa.literals(work, List.of());
        for (var way : document.alternatives(schemas)) {
            var shape = new Shape(document, way);
            if (!shape.types.contains(Type.STRING)) {
                continue;
            }
            var values = shape.values();
            var strings = shape.strings();
            var own = values != null
                    ? Dfa.literals(work, texts(values))
                    : strings != null ? strings : Dfa.length(work, shape.minLength, shape.maxLength);
            all = all.combine(work, Dfa.Operation.OR, own);
        }
        return all;
    }

    static List<String> texts(List<JsonNode> values) {
        return values.stream().filter(JsonNode::isTextual).map(JsonNode::asText).toList();
    }

    private boolean matches(JsonNode value, List<Place> schemas) {
        work().spend(1);
        return document.alternatives(schemas).stream().anyMatch(way -> {
            var shape = new Shape(document, way);
            work().spend(shape.values == null ? 0 : shape.values.size());
            return (shape.values == null || shape.values.stream().anyMatch(other -> isSame(value, other)))
                    && shape.matches(value);
        });
    }

    /// Whether a value is allowed, apart from the list of values.
    private boolean matches(JsonNode value) {
        return switch (value.getNodeType()) {
            case NULL -> types.contains(Type.NULL);
            case BOOLEAN -> types.contains(Type.BOOLEAN);
            case NUMBER -> types.contains(Type.NUMBER) && numbers.has(exact(path(), value.decimalValue()));
            case STRING -> types.contains(Type.STRING) && matches(value.asText());
            case ARRAY -> types.contains(Type.ARRAY) && matchesItems(value);
            case OBJECT -> types.contains(Type.OBJECT) && matchesProperties(value);
            case BINARY, MISSING, POJO -> false;
        };
    }

    private boolean matches(String text) {
        work().spend((long) text.length() * (1 + texts.size()));
        var length = text.codePointCount(0, text.length());
        return length >= minLength && length <= maxLength && texts.stream().allMatch(dfa -> dfa.matches(text));
    }

    private boolean matchesItems(JsonNode array) {
        for (var i = 0; i < array.size(); i++) {
            if (!matches(array.get(i), item(i))) {
                return false;
            }
        }
        return array.size() >= minItems && array.size() <= maxItems;
    }

    private boolean matchesProperties(JsonNode object) {
        work().spend(required().size());
        return object.size() >= minProperties
                && object.size() <= maxProperties
                && required().stream().allMatch(object::has)
                && object.properties().stream()
                        .allMatch(field ->
                                isNameAllowed(field.getKey()) && matches(field.getValue(), property(field.getKey())));
    }

    /// Whether it is certain that no value is allowed.
    boolean isEmpty() {
        return isEmpty(EMPTY_DEPTH);
    }

    private boolean isEmpty(int depth) {
        var listed = values();
        return listed != null ? listed.isEmpty() : types.stream().allMatch(type -> isEmpty(type, depth));
    }

    private boolean isEmpty(Type type, int depth) {
        return switch (type) {
            case NULL, BOOLEAN -> false;
            case NUMBER -> numbers.texts(work()).isEmpty();
            case STRING -> {
                var strings = strings();
                yield minLength > maxLength || strings != null && strings.isEmpty();
            }
            case ARRAY -> {
                for (var i = 0; i < Math.min(minItems, prefix() + 1); i++) {
                    if (isEmpty(item(i), depth)) {
                        yield true;
                    }
                }
                yield minItems > maxItems;
            }
            case OBJECT ->
                minProperties > maxProperties
                        || required().stream().anyMatch(name -> !isNameAllowed(name) || isEmpty(property(name), depth));
        };
    }

    private boolean isEmpty(List<Place> schemas, int depth) {
        return depth > 0
                && document.alternatives(schemas).stream().allMatch(way -> new Shape(document, way).isEmpty(depth - 1));
    }
}
