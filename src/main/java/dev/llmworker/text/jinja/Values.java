package dev.llmworker.text.jinja;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The values of a template and what Python says of them.
///
/// A value is [None], Boolean, Long, Double, String, List, Map, [Tuple], [Range], [DictView], [Generated], [Namespace],
/// [Markup], [Undefined], [Loop] or [Invocable], and nothing else.
final class Values {
    private Values() {}

    /// A value of the caller's as one of a template's, copied.
    ///
    /// @throws JinjaException for a value that is no JSON value
    static Object imported(Budget budget, @Nullable Object value) {
        return switch (value) {
            case null -> None.NONE;
            case Boolean bool -> bool;
            case String text -> text;
            case Long integer -> integer;
            case Integer integer -> integer.longValue();
            case Short integer -> integer.longValue();
            case Double number -> number;
            case Float number -> number.doubleValue();
            case List<?> list -> {
                budget.enter();
                var items = new ArrayList<Object>(list.size());
                list.forEach(item -> items.add(imported(budget, item)));
                budget.leave();
                yield items;
            }
            case Map<?, ?> map -> {
                budget.enter();
                var dict = new LinkedHashMap<Object, Object>(map.size() * 2);
                map.forEach((key, item) -> dict.put(key(imported(budget, key)), imported(budget, item)));
                budget.leave();
                yield dict;
            }
            default -> throw new JinjaException("a value of " + value.getClass() + " cannot be given to a template");
        };
    }

    static boolean isTrue(Object value) {
        return switch (value) {
            case None _, Undefined _ -> false;
            case Boolean bool -> bool;
            case Long integer -> integer != 0;
            case Double number -> number != 0;
            default -> {
                var length = length(value);
                yield length == null || length != 0;
            }
        };
    }

    /// The text of a str or markup; null for anything else.
    static @Nullable String text(Object value) {
        return switch (value) {
            case String text -> text;
            case Markup markup -> markup.text();
            default -> null;
        };
    }

    /// What `len()` says, in characters for a text; null where it says nothing.
    static @Nullable Long length(Object value) {
        return switch (value) {
            case String text -> (long) PythonText.length(text);
            case Markup markup -> (long) PythonText.length(markup.text());
            case List<?> list -> (long) list.size();
            case Map<?, ?> map -> (long) map.size();
            case Tuple tuple -> (long) tuple.items().size();
            case DictView view -> (long) view.items().size();
            case Range range -> range.length();
            case Loop loop -> loop.length();
            case Undefined _ -> 0L;
            default -> null;
        };
    }

    /// What a loop walks over; null where Python says it is not iterable. A [Generated] is empty afterwards.
    static @Nullable List<Object> itemsOrNull(Budget budget, Object value) {
        List<Object> items = switch (value) {
            case String text -> PythonText.characters(budget, text);
            case Markup markup -> PythonText.characters(budget, markup.text());
            case List<?> list -> cast(list);
            case Map<?, ?> map -> new ArrayList<>(map.keySet());
            case Tuple tuple -> tuple.items();
            case DictView view -> view.items();
            case Range range -> range.items();
            case Generated generated -> generated.drain();
            case Undefined _ -> List.of();
            default -> null;
        };
        if (items != null) {
            budget.steps(items.size());
        }
        return items;
    }

    static List<Object> items(Budget budget, Object value) {
        var items = itemsOrNull(budget, value);
        if (items == null) {
            throw new JinjaException("'" + typeName(value) + "' object is not iterable");
        }
        return items;
    }

    /// Every list of a template holds objects.
    @SuppressWarnings("unchecked")
    static List<Object> cast(List<?> list) {
        return (List<Object>) list;
    }

    /// A value as the key of a dict.
    ///
    /// @throws JinjaException for what Python cannot hash, and tuples within tuples
    static Object key(Object value) {
        return switch (value) {
            case Markup markup -> markup.text();
            case Tuple tuple -> {
                for (var item : tuple.items()) {
                    if (item instanceof Tuple) {
                        throw new JinjaException("a tuple within a tuple cannot be the key of a dict");
                    }
                    key(item);
                }
                yield tuple;
            }
            case List<?> _, Map<?, ?> _, DictView _ ->
                throw new JinjaException("unhashable type: '" + typeName(value) + "'");
            default -> value;
        };
    }

    /// An integer where Python wants one; bool counts as one.
    static long index(Object value, String what) {
        return switch (value) {
            case Long integer -> integer;
            case Boolean bool -> bool ? 1 : 0;
            case Undefined undefined -> throw undefined.exception();
            default -> throw new JinjaException(what + " must be integers, not " + typeName(value));
        };
    }

    /// The Python type's name.
    static String typeName(Object value) {
        return switch (value) {
            case None _ -> "NoneType";
            case Boolean _ -> "bool";
            case Long _ -> "int";
            case Double _ -> "float";
            case String _ -> "str";
            case Markup _ -> "Markup";
            case List<?> _ -> "list";
            case Map<?, ?> _ -> "dict";
            case Tuple _ -> "tuple";
            case Range _ -> "range";
            case DictView view -> view.kind();
            case Generated _ -> "generator";
            case Namespace _ -> "Namespace";
            case Loop _ -> "LoopContext";
            case Undefined _ -> "Undefined";
            case Macro _ -> "Macro";
            default -> "function";
        };
    }
}
