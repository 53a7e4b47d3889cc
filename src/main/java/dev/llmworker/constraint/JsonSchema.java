package dev.llmworker.constraint;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.constraint.SchemaDocument.Place;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Adds the JSON texts that a schema allows to a grammar. Schemas that hold together for a value, and that may
/// be met again below it, are one part of the grammar, so recursion is a call.
///
/// `docs/structured-output.md` says what is enforced. Properties are written in the schema's order.
final class JsonSchema {
    /// Two are equal if they are the same schema of the document, not if they read the same.
    private record Identity(JsonNode schema) {
        @Override
        public boolean equals(@Nullable Object other) {
            return other instanceof Identity(var same) && same == schema;
        }

        @Override
        public int hashCode() {
            return System.identityHashCode(schema);
        }
    }

    private record Pending(List<Place> schemas, int part) {}

    private final JsonGrammar json;
    private final Grammar.Builder grammar;
    private final SchemaDocument document;
    private final Map<Set<Identity>, Integer> parts = new HashMap<>();
    private final Queue<Pending> pending = new ArrayDeque<>();

    JsonSchema(JsonGrammar json, SchemaDocument document) {
        this.json = json;
        grammar = json.grammar;
        this.document = document;
    }

    /// @param pointer the part of the schema that counts
    /// @throws ConstraintException if the schema cannot be enforced
    void emit(int from, String pointer, int to) {
        value(from, List.of(document.at(pointer)), to);
        for (var next = pending.poll(); next != null; next = pending.poll()) {
            var end = grammar.end();
            for (var way : document.alternatives(next.schemas)) {
                emit(new Shape(document, way), next.part, end);
            }
        }
    }

    /// A value for which all of these schemas hold.
    private void value(int from, List<Place> schemas, int to) {
        var key = new LinkedHashSet<Identity>();
        schemas.forEach(place -> key.add(new Identity(place.schema())));
        var part = parts.get(key);
        if (part == null) {
            part = grammar.node();
            parts.put(key, part);
            pending.add(new Pending(schemas, part));
        }
        grammar.call(from, part, to);
    }

    private void emit(Shape shape, int from, int to) {
        var values = shape.values();
        if (values != null) {
            literals(shape.path(), values, from, to);
            return;
        }
        if (shape.allowsAnything()) {
            json.value(from, to);
            return;
        }
        for (var type : shape.types) {
            switch (type) {
                case NULL -> json.word(from, "null", to);
                case BOOLEAN -> {
                    json.word(from, "true", to);
                    json.word(from, "false", to);
                }
                case NUMBER -> grammar.texts(from, shape.numbers().texts(document.work(shape.path())), to);
                case STRING -> string(shape, from, to);
                case ARRAY -> array(shape, from, to);
                case OBJECT -> new ObjectParts(shape).emit(from, to);
            }
        }
    }

    private void literals(String path, List<JsonNode> values, int from, int to) {
        var strings = Shape.texts(values);
        if (!strings.isEmpty()) {
            json.string(from, Dfa.literals(document.work(path), strings), to);
        }
        values.stream().filter(value -> !value.isTextual()).forEach(value -> literal(value, from, to));
    }

    /// Exactly this value; only its white space is free.
    private void literal(JsonNode value, int from, int to) {
        if (value.isTextual()) {
            json.quoted(from, value.asText(), to);
        } else if (value.isArray()) {
            var at = json.after(from, '[');
            for (var i = 0; i < value.size(); i++) {
                var after = grammar.node();
                literal(value.get(i), i == 0 ? at : json.mark(at, ','), after);
                at = after;
            }
            grammar.bytes(value.isEmpty() ? at : json.space(at), ']', ']', to);
        } else if (value.isObject()) {
            var at = json.after(from, '{');
            var isFirst = true;
            for (var field : value.properties()) {
                var colon = grammar.node();
                json.name(isFirst ? at : json.mark(at, ','), field.getKey(), colon);
                at = grammar.node();
                literal(field.getValue(), json.mark(colon, ':'), at);
                isFirst = false;
            }
            grammar.bytes(isFirst ? at : json.space(at), '}', '}', to);
        } else if (value.isNumber()) {
            grammar.text(from, value.toString(), to);
        } else {
            json.word(from, value.toString(), to);
        }
    }

    private void string(Shape shape, int from, int to) {
        var texts = shape.strings();
        if (texts != null) {
            json.string(from, texts, to);
        } else if (shape.minLength <= shape.maxLength) {
            json.string(from, shape.minLength, shape.maxLength, to);
        }
    }

    private void array(Shape shape, int from, int to) {
        if (shape.minItems > shape.maxItems) {
            return;
        }
        var at = json.after(from, '[');
        if (shape.minItems == 0) {
            grammar.bytes(at, ']', ']', to);
        }
        var prefix = shape.prefix();
        for (var i = 0; i < Math.min(prefix, shape.maxItems); i++) {
            var after = grammar.node();
            value(at, shape.item(i), after);
            var next = json.space(after);
            if (i + 1 >= shape.minItems) {
                grammar.bytes(next, ']', ']', to);
            }
            at = json.after(next, ',');
        }
        if (shape.maxItems > prefix) {
            var after = grammar.node();
            value(at, shape.item(prefix), after);
            var last = grammar.node();
            var most = shape.maxItems == Integer.MAX_VALUE ? Integer.MAX_VALUE : shape.maxItems - prefix - 1;
            grammar.repeat(after, nextItem(shape.item(prefix)), Math.max(0, shape.minItems - prefix - 1), most, last);
            grammar.bytes(json.space(last), ']', ']', to);
        }
    }

    /// A part of the grammar: a comma and an item.
    private int nextItem(List<Place> item) {
        var start = grammar.node();
        value(json.mark(start, ','), item, grammar.end());
        return start;
    }

    /// The properties of an object: a node for each property that may come next and each number of properties
    /// so far, as far as their number is limited.
    private final class ObjectParts {
        private final Shape shape;
        private final List<String> names;
        private final Set<String> required;
        private final int least;
        private final int most;
        /// Counts up to here are told apart.
        private final int counted;
        private final List<Shape.Others> others;
        /// Before the next property, and after one.
        private final int[][] before;
        private final int[][] after;
        /// The last property that is required; -1 for none.
        private final int lastRequired;

        ObjectParts(Shape shape) {
            this.shape = shape;
            names = List.copyOf(shape.names());
            required = shape.required();
            most = shape.maxProperties;
            least = shape.minProperties <= required.size() ? 0 : shape.minProperties;
            counted = most == Integer.MAX_VALUE ? least : most;
            others = shape.others();
            if ((names.size() + 1L) * (counted + 1L) > Limits.AUTOMATON_STATES) {
                throw new ConstraintException(
                        shape.path(),
                        "counts up to " + counted + " properties; the number of names times this is limited to "
                                + Limits.AUTOMATON_STATES);
            }
            before = new int[names.size() + 1][counted + 1];
            after = new int[names.size() + 1][counted + 1];
            var last = -1;
            for (var i = 0; i <= names.size(); i++) {
                for (var count = 0; count <= counted; count++) {
                    before[i][count] = grammar.node();
                    after[i][count] = grammar.node();
                }
                last = i < names.size() && required.contains(names.get(i)) ? i : last;
            }
            lastRequired = last;
        }

        void emit(int from, int to) {
            if (shape.minProperties > shape.maxProperties) {
                return;
            }
            var open = json.after(from, '{');
            grammar.jump(open, before[0][0]);
            if (lastRequired < 0 && least == 0) {
                grammar.bytes(open, '}', '}', to);
            }
            for (var i = 0; i <= names.size(); i++) {
                for (var count = 0; count <= counted; count++) {
                    if (count < most) {
                        pairs(i, count);
                    }
                    var next = json.space(after[i][count]);
                    if (i > lastRequired && count >= least) {
                        grammar.bytes(next, '}', '}', to);
                    }
                    var comma = grammar.node();
                    grammar.bytes(next, ',', ',', comma);
                    json.space(comma, before[i][count]);
                }
            }
        }

        private void pairs(int i, int count) {
            var next = most == Integer.MAX_VALUE ? Math.min(count + 1, counted) : count + 1;
            if (i == names.size()) {
                for (var other : others) {
                    var colon = grammar.node();
                    json.name(before[i][count], other.names(), other.isFree(), colon);
                    value(json.mark(colon, ':'), other.value(), after[i][next]);
                }
                return;
            }
            var name = names.get(i);
            // A property that may be left out is, if its name cannot be written.
            if (shape.isNameAllowed(name) && (required.contains(name) || json.canWrite(name))) {
                var colon = grammar.node();
                json.name(before[i][count], name, colon);
                value(json.mark(colon, ':'), shape.property(name), after[i + 1][next]);
            }
            if (!required.contains(name)) {
                grammar.jump(before[i][count], before[i + 1][count]);
            }
        }
    }
}
