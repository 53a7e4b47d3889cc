package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Values.Invocable;
import dev.llmworker.text.jinja.Values.Loop;
import dev.llmworker.text.jinja.Values.Markup;
import dev.llmworker.text.jinja.Values.Namespace;
import dev.llmworker.text.jinja.Values.None;
import dev.llmworker.text.jinja.Values.Undefined;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Evaluates `value.name`, `value[key]` and `value[start:stop:step]`.
final class Subscripts {
    private static final int MAX_SHOWN_CHARACTERS = 80;
    private static final Pattern INDEX = Pattern.compile("\\d{1,18}+");

    private Subscripts() {}

    /// The attribute or method of this name, or the element if there is none.
    static Object attribute(Budget budget, Object value, String name) {
        var attribute = ownAttribute(budget, Values.defined(value), name);
        if (attribute != null) {
            return attribute;
        }
        var element = value instanceof Map<?, ?> map ? map.get(name) : null;
        return element != null ? element : missing(budget, value, name);
    }

    /// The element with this key, or the attribute of this name if there is none.
    static Object element(Budget budget, Object value, Object key) {
        var element = elementOrNull(budget, Values.defined(value), key);
        if (element != null) {
            return element;
        }
        var name = Values.text(key);
        var attribute = name == null ? null : ownAttribute(budget, value, name);
        return attribute != null ? attribute : missing(budget, value, key);
    }

    private static @Nullable Object elementOrNull(Budget budget, Object value, Object key) {
        if (value instanceof Map<?, ?> map) {
            return Values.isHashable(key) ? map.get(Values.key(budget, key)) : null;
        }
        if (!(Values.number(key) instanceof Long index)) {
            return null;
        }
        if (Values.text(value) instanceof String text) {
            var character = PythonText.at(budget, text, index);
            return character == null ? null : Markup.like(value, character);
        }
        if (!(value instanceof List<?> list && (Operators.isListOrTuple(list) || list instanceof Range))) {
            return null;
        }
        long position = index < 0 ? index + list.size() : index;
        return position >= 0 && position < list.size() ? list.get((int) position) : null;
    }

    /// The attribute or method that the value's type has; null if there is none.
    private static @Nullable Object ownAttribute(Budget budget, Object value, String name) {
        return switch (value) {
            case String text -> Methods.ofString(budget, text, name);
            case Markup markup -> marked(Methods.ofString(budget, markup.text(), name));
            case Map<?, ?> map -> Methods.ofDict(budget, map, name);
            case List<?> list when Values.typeName(list).equals("list") -> Methods.ofList(name);
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

    private static Undefined missing(Budget budget, Object value, Object key) {
        var owner = value == None.NONE ? "None" : Values.typeName(value) + " object";
        var name = Values.text(key);
        if (name == null) {
            return new Undefined(owner + " has no element " + Printing.repr(budget, key));
        }
        // The key can be a message's long text, so the error shows only its beginning.
        var shown = name.length() > MAX_SHOWN_CHARACTERS ? name.substring(0, MAX_SHOWN_CHARACTERS) + "…" : name;
        return new Undefined("'" + owner + "' has no attribute '" + shown + "'");
    }

    static Object slice(Budget budget, Object value, Object start, Object stop, Object step) {
        var text = Values.text(Values.defined(value));
        if (text != null) {
            return Markup.like(value, PythonText.slice(budget, text, start, stop, step));
        }
        if (!(value instanceof List<?> list && (Operators.isListOrTuple(list) || list instanceof Range))) {
            throw new JinjaException("'" + Values.typeName(value) + "' object cannot be sliced");
        }
        var indices = Range.ofSlice(start, stop, step, list.size());
        if (list instanceof Range range) {
            return range.at(indices);
        }
        budget.steps(indices.size());
        var selected = new ArrayList<Object>(indices.size());
        indices.forEach(index -> selected.add(list.get(((Long) index).intValue())));
        return Operators.like(list, selected);
    }

    /// Reads the attribute of items that a filter such as `map(attribute='function.name')` names.
    ///
    /// @param attribute a dotted path, an index, or None for the item itself
    /// @param whenMissing the value of a part that is undefined; None keeps it undefined
    static UnaryOperator<Object> lookup(Budget budget, Object attribute, Object whenMissing) {
        var text = Values.text(attribute);
        List<Object> path = text == null
                ? (attribute == None.NONE ? List.of() : List.of(attribute))
                : PythonText.split(budget, text, ".", -1).stream()
                        .map(Subscripts::part)
                        .toList();
        return item -> {
            var found = item;
            for (var part : path) {
                budget.step();
                found = element(budget, found, part);
                if (found instanceof Undefined && whenMissing != None.NONE) {
                    found = whenMissing;
                }
            }
            return found;
        };
    }

    /// A part of a path: an index if it is made of digits, else a name.
    private static Object part(Object part) {
        var isIndex = part instanceof String text && INDEX.matcher(text).matches();
        return isIndex ? (Object) Long.parseLong((String) part) : part;
    }
}
