package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Interpreter.Loop;
import dev.llmworker.text.jinja.Interpreter.Namespace;
import dev.llmworker.text.jinja.Values.Invocable;
import dev.llmworker.text.jinja.Values.Markup;
import dev.llmworker.text.jinja.Values.None;
import dev.llmworker.text.jinja.Values.Range;
import dev.llmworker.text.jinja.Values.Tuple;
import dev.llmworker.text.jinja.Values.Undefined;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Evaluates `value.name`, `value[key]` and `value[start:stop:step]`.
final class Subscripts {
    private Subscripts() {}

    /// The attribute or method of this name, or the element if there is none.
    static Object attribute(Rendering rendering, Object value, String name) {
        if (value instanceof Undefined undefined) {
            throw undefined.exception();
        }
        var attribute = ownAttribute(rendering, value, name);
        if (attribute != null) {
            return attribute;
        }
        var element = value instanceof Map<?, ?> map ? map.get(name) : null;
        return element != null ? element : missing(rendering, value, name);
    }

    /// The element with this key, or the attribute of this name if there is none.
    static Object element(Rendering rendering, Object value, Object key) {
        if (value instanceof Undefined undefined) {
            throw undefined.exception();
        }
        var element = elementOrNull(rendering, value, key);
        if (element != null) {
            return element;
        }
        var name = Values.text(key);
        var attribute = name == null ? null : ownAttribute(rendering, value, name);
        return attribute != null ? attribute : missing(rendering, value, key);
    }

    private static @Nullable Object elementOrNull(Rendering rendering, Object value, Object key) {
        return switch (value) {
            case Map<?, ?> map -> isHashable(key) ? map.get(Values.key(key)) : null;
            case List<?> list -> at(Values.cast(list), key);
            case Tuple tuple -> at(tuple.items(), key);
            case Range range -> at(range.items(), key);
            case String text -> character(rendering, text, key);
            case Markup markup -> {
                var character = character(rendering, markup.text(), key);
                yield character == null ? null : new Markup(character);
            }
            default -> null;
        };
    }

    private static boolean isHashable(Object key) {
        return !(key instanceof List<?> || key instanceof Map<?, ?>);
    }

    private static @Nullable Object at(List<Object> items, Object index) {
        if (!(index instanceof Long || index instanceof Boolean)) {
            return null;
        }
        long position = Values.index(index, "indices");
        long fromStart = position < 0 ? position + items.size() : position;
        return fromStart >= 0 && fromStart < items.size() ? items.get((int) fromStart) : null;
    }

    private static @Nullable String character(Rendering rendering, String text, Object index) {
        if (!(index instanceof Long || index instanceof Boolean)) {
            return null;
        }
        rendering.budget().scan(text.length());
        long position = Values.index(index, "indices");
        int length = PythonText.length(text);
        long fromStart = position < 0 ? position + length : position;
        if (fromStart < 0 || fromStart >= length) {
            return null;
        }
        return Character.toString(text.codePointAt(text.offsetByCodePoints(0, (int) fromStart)));
    }

    /// The attribute or method that the value's type has; null if there is none.
    private static @Nullable Object ownAttribute(Rendering rendering, Object value, String name) {
        return switch (value) {
            case String text -> Methods.ofString(rendering, text, name);
            case Markup markup -> marked(Methods.ofString(rendering, markup.text(), name));
            case List<?> _ -> Methods.ofList(name);
            case Map<?, ?> map -> Methods.ofDict(rendering, map, name);
            case Namespace namespace -> namespace.attributes().get(name);
            case Loop loop -> loop.attribute(name);
            default -> null;
        };
    }

    /// A method whose result is marked as HTML, because its owner is.
    private static @Nullable Object marked(@Nullable Invocable method) {
        if (method == null) {
            return null;
        }
        return (Invocable) arguments -> {
            var result = method.call(arguments);
            if (result instanceof List<?> list) {
                var items = new ArrayList<Object>(list.size());
                list.forEach(item -> items.add(item instanceof String text ? new Markup(text) : item));
                return items;
            }
            return result instanceof String text ? new Markup(text) : result;
        };
    }

    private static Undefined missing(Rendering rendering, Object value, Object key) {
        var owner = value == None.NONE ? "None" : Values.typeName(value) + " object";
        // The key can be a message's long text, so the error shows only its beginning.
        var shown = Values.text(key) instanceof String name
                ? "'" + (name.length() > 80 ? name.substring(0, 80) + "…" : name) + "'"
                : Printing.repr(rendering.budget(), key);
        return new Undefined(
                Values.text(key) != null
                        ? "'" + owner + "' has no attribute " + shown
                        : owner + " has no element " + shown);
    }

    static Object slice(Rendering rendering, Object value, Object start, Object stop, Object step) {
        return switch (value) {
            case String text -> PythonText.slice(rendering.budget(), text, start, stop, step);
            case Markup markup -> new Markup(PythonText.slice(rendering.budget(), markup.text(), start, stop, step));
            case List<?> list -> selected(rendering, Values.cast(list), start, stop, step);
            case Tuple tuple -> new Tuple(selected(rendering, tuple.items(), start, stop, step));
            case Range range -> {
                var indices = Range.ofSlice(start, stop, step, Math.toIntExact(range.length()));
                yield new Range(
                        range.start() + indices.start() * range.step(),
                        range.start() + indices.stop() * range.step(),
                        range.step() * indices.step());
            }
            case Undefined undefined -> throw undefined.exception();
            default -> throw new JinjaException("'" + Values.typeName(value) + "' object cannot be sliced");
        };
    }

    private static List<Object> selected(
            Rendering rendering, List<Object> items, Object start, Object stop, Object step) {
        var indices = Range.ofSlice(start, stop, step, items.size()).items();
        rendering.budget().steps(indices.size());
        var selected = new ArrayList<Object>(indices.size());
        indices.forEach(index -> selected.add(items.get((int) (long) (Long) index)));
        return selected;
    }

    /// The attribute of each item that a filter such as `map(attribute='function.name')` reads.
    ///
    /// @param path names, and indices for parts that are digits
    record Lookup(List<Object> path, Object whenMissing) {
        /// Returns the items themselves.
        static final Lookup IDENTITY = new Lookup(List.of(), None.NONE);

        /// @param attribute a dotted path, an index, or None for the item itself
        /// @param whenMissing the value of a part that is undefined; None keeps it undefined
        static Lookup of(Object attribute, Object whenMissing) {
            var text = Values.text(attribute);
            if (text == null) {
                return attribute == None.NONE ? IDENTITY : new Lookup(List.of(attribute), whenMissing);
            }
            var path = new ArrayList<Object>();
            for (var part : text.split("\\.", -1)) {
                boolean digits =
                        !part.isEmpty() && part.codePoints().allMatch(Character::isDigit) && part.length() < 19;
                path.add(digits ? (Object) Long.parseLong(part) : part);
            }
            return new Lookup(path, whenMissing);
        }

        /// Several lookups, for an attribute such as `type,name`.
        static List<Lookup> listOf(Object attribute) {
            var text = Values.text(attribute);
            if (text == null) {
                return List.of(of(attribute, None.NONE));
            }
            var lookups = new ArrayList<Lookup>();
            for (var part : text.split(",", -1)) {
                lookups.add(of(part, None.NONE));
            }
            return lookups;
        }

        Object in(Rendering rendering, Object item) {
            var found = item;
            for (var part : path) {
                rendering.budget().step();
                found = Subscripts.element(rendering, found, part);
                if (found instanceof Undefined && whenMissing != None.NONE) {
                    found = whenMissing;
                }
            }
            return found;
        }

        /// Like [#in], with texts in lower case unless case matters. Sorting and `unique` compare these.
        Object key(Rendering rendering, Object item, boolean caseSensitive) {
            var found = in(rendering, item);
            var text = Values.text(found);
            if (text == null || caseSensitive) {
                return found;
            }
            rendering.budget().characters(text.length());
            return PythonText.lower(text);
        }
    }
}
