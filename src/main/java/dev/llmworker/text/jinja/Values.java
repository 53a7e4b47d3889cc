package dev.llmworker.text.jinja;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The values of a template, and Python's rules for them.
///
/// A value is [None], Boolean, Long, Double, String, [Markup], List, [Sequence], [Range], Map, [Namespace], [Loop],
/// [Undefined] or [Invocable]. An Iterator is a Python generator, the result of filters such as `map` and `select`: it
/// is true, has no length and no index, and is empty after one iteration.
final class Values {
    private Values() {}

    /// Copies a value of the caller to a value of a template.
    ///
    /// @throws JinjaException if JSON has no such value
    static Object imported(Budget budget, @Nullable Object value) {
        budget.step();
        return switch (value) {
            case null -> None.NONE;
            case Boolean _, String _, Long _, Double _ -> value;
            case Integer _, Short _ -> ((Number) value).longValue();
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
                map.forEach((key, item) -> dict.put(key(budget, imported(budget, key)), imported(budget, item)));
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
            case String text -> !text.isEmpty();
            case Markup markup -> !markup.text().isEmpty();
            case List<?> list -> !list.isEmpty();
            case Map<?, ?> map -> !map.isEmpty();
            default -> true;
        };
    }

    /// The value, unless it is undefined. That is an error.
    static Object defined(Object value) {
        if (value instanceof Undefined undefined) {
            throw new JinjaException(undefined.complaint());
        }
        return value;
    }

    /// The text of a str or markup; null for anything else.
    static @Nullable String text(Object value) {
        return switch (value) {
            case String text -> text;
            case Markup markup -> markup.text();
            default -> null;
        };
    }

    /// The text of a str or markup. Anything else is an error.
    ///
    /// @param what the subject of the error
    static String text(Object value, String what) {
        var text = text(defined(value));
        if (text == null) {
            throw new JinjaException(what + " needs a str, not " + typeName(value));
        }
        return text;
    }

    /// Python's `len()`, in characters for a text.
    static long length(Budget budget, Object value) {
        return switch (value) {
            case String text -> PythonText.length(budget, text);
            case Markup markup -> PythonText.length(budget, markup.text());
            case List<?> list -> list.size();
            case Map<?, ?> map -> map.size();
            case Loop loop -> loop.length();
            case Undefined _ -> 0;
            default -> throw new JinjaException("object of type '" + typeName(value) + "' has no len()");
        };
    }

    /// The items that a loop visits. A generator is empty afterwards.
    static List<Object> items(Budget budget, Object value) {
        List<Object> items = switch (value) {
            case String text -> PythonText.characters(budget, text);
            case Markup markup -> PythonText.characters(budget, markup.text());
            case List<?> list -> cast(list);
            case Map<?, ?> map -> new ArrayList<>(map.keySet());
            case Iterator<?> generator -> {
                var left = new ArrayList<Object>();
                generator.forEachRemaining(left::add);
                yield left;
            }
            case Undefined _ -> List.of();
            default -> throw new JinjaException("'" + typeName(value) + "' object is not iterable");
        };
        budget.steps(items.size());
        return items;
    }

    /// The entries of a dict. Anything else is an error.
    static Map<?, ?> dict(Budget budget, Object value) {
        if (!(defined(value) instanceof Map<?, ?> map)) {
            throw new JinjaException("a mapping is needed, not " + typeName(value));
        }
        budget.steps(map.size());
        return map;
    }

    /// The keys and values of a dict as tuples.
    static List<Object> pairs(Map<?, ?> dict) {
        var pairs = new ArrayList<Object>(dict.size());
        dict.forEach((key, value) -> pairs.add(new Sequence("tuple", List.of(key, value))));
        return pairs;
    }

    /// Every list of a template is a list of objects.
    @SuppressWarnings("unchecked")
    static List<Object> cast(List<?> list) {
        return (List<Object>) list;
    }

    static boolean isTuple(Object value) {
        return value instanceof Sequence sequence && sequence.kind().equals("tuple");
    }

    static boolean isHashable(Object value) {
        return !(value instanceof Map || value instanceof List && !isTuple(value) && !(value instanceof Range));
    }

    /// A value as the key of a dict.
    ///
    /// @throws JinjaException if Python cannot hash the value, or if it is a tuple of tuples
    static Object key(Budget budget, Object value) {
        if (!isHashable(value)) {
            throw new JinjaException("unhashable type: '" + typeName(value) + "'");
        }
        if (value instanceof List<?> list) {
            budget.steps(list.size());
            for (var item : list) {
                if (isTuple(item)) {
                    throw new JinjaException("a tuple within a tuple cannot be the key of a dict");
                }
                key(budget, item);
            }
        }
        var text = text(value);
        if (text == null) {
            return value;
        }
        budget.scan(text.length());
        return text;
    }

    /// A number, or a bool as an integer; null for anything else.
    static @Nullable Number number(Object value) {
        return switch (value) {
            case Boolean bool -> bool ? 1L : 0L;
            case Number number -> number;
            default -> null;
        };
    }

    /// An integer, or a bool as an integer. Any other type is an error.
    ///
    /// @param what the subject of the error
    static long index(Object value, String what) {
        if (number(defined(value)) instanceof Long integer) {
            return integer;
        }
        throw new JinjaException(what + " must be integers, not " + typeName(value));
    }

    /// The name of the value's Python type.
    static String typeName(Object value) {
        return switch (value) {
            case None _ -> "NoneType";
            case Boolean _ -> "bool";
            case Long _ -> "int";
            case Double _ -> "float";
            case String _ -> "str";
            case Markup _ -> "Markup";
            case Sequence sequence -> sequence.kind();
            case Range _ -> "range";
            case List<?> _ -> "list";
            case Map<?, ?> _ -> "dict";
            case Iterator<?> _ -> "generator";
            case Namespace _ -> "Namespace";
            case Loop _ -> "LoopContext";
            case Undefined _ -> "Undefined";
            case Macro _ -> "Macro";
            default -> "function";
        };
    }
}
