package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Interpreter.Loop;
import dev.llmworker.text.jinja.Interpreter.Macro;
import dev.llmworker.text.jinja.Interpreter.Namespace;
import dev.llmworker.text.jinja.Rendering.Budget;
import java.util.AbstractList;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The values of a template, and Python's rules for them.
///
/// A value is [None], Boolean, Long, Double, String, List, Map, [Tuple], [Range], [DictView], [Generated], [Namespace],
/// [Markup], [Undefined], [Loop] or [Invocable].
final class Values {
    private Values() {}

    /// Copies a value of the caller to a value of a template.
    ///
    /// @throws JinjaException if JSON has no such value
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

    /// Python's `len()`, in characters for a text; null if the value has no length.
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

    /// The items that a loop visits; null if the value is not iterable. A [Generated] is empty afterwards.
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

    /// Every list of a template is a list of objects.
    @SuppressWarnings("unchecked")
    static List<Object> cast(List<?> list) {
        return (List<Object>) list;
    }

    /// A value as the key of a dict.
    ///
    /// @throws JinjaException if Python cannot hash the value, or if it is a tuple of tuples
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

    /// An integer, or a bool as an integer. Any other type is an error.
    ///
    /// @param what the subject of the error
    static long index(Object value, String what) {
        return switch (value) {
            case Long integer -> integer;
            case Boolean bool -> bool ? 1 : 0;
            case Undefined undefined -> throw undefined.exception();
            default -> throw new JinjaException(what + " must be integers, not " + typeName(value));
        };
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

    /// Python's `None`. Java's null is not a value of a template.
    enum None {
        NONE
    }

    /// A variable, attribute or element that does not exist. It prints as an empty text; any other use is an error.
    ///
    /// @param complaint the error's message
    record Undefined(String complaint) {
        static Undefined variable(String name) {
            return new Undefined("'" + name + "' is undefined");
        }

        JinjaException exception() {
            return new JinjaException(complaint);
        }
    }

    /// Python's tuple. It is never equal to a list.
    record Tuple(List<Object> items) {
        static Tuple of(Object... items) {
            return new Tuple(List.of(items));
        }
    }

    /// Python's range, and the indices that a slice selects.
    ///
    /// @param step not 0
    record Range(long start, long stop, long step) {
        /// jinja2's sandbox has the same limit.
        static final int MAX_LENGTH = 100_000;

        static Range of(long start, long stop, long step) {
            if (step == 0) {
                throw new JinjaException("range() arg 3 must not be zero");
            }
            var range = new Range(start, stop, step);
            if (range.length() > MAX_LENGTH) {
                throw new JinjaException("range of " + range.length() + " numbers; the limit is " + MAX_LENGTH);
            }
            return range;
        }

        /// The indices of `[start:stop:step]` in a sequence of this length. None stands for an omitted bound.
        static Range ofSlice(Object start, Object stop, Object step, int length) {
            long stride = step == None.NONE ? 1 : Values.index(step, "slice indices");
            if (stride == 0) {
                throw new JinjaException("slice step cannot be zero");
            }
            long low = stride < 0 ? -1 : 0;
            long high = stride < 0 ? length - 1L : length;
            long first = start == None.NONE ? (stride < 0 ? high : low) : within(start, length, low, high);
            long last = stop == None.NONE ? (stride < 0 ? low : high) : within(stop, length, low, high);
            return new Range(first, last, stride);
        }

        private static long within(Object index, int length, long low, long high) {
            long value = Values.index(index, "slice indices");
            return Math.clamp(value < 0 ? Math.max(value, -length - 1L) + length : value, low, high);
        }

        /// How many numbers it has. `Long.MAX_VALUE` stands for this many or more.
        long length() {
            if (step > 0 ? start >= stop : start <= stop) {
                return 0;
            }
            long distance = step > 0 ? stop - start : start - stop;
            if (distance < 0) {
                return Long.MAX_VALUE;
            }
            long stride = step == Long.MIN_VALUE ? Long.MAX_VALUE : Math.abs(step);
            return (distance - 1) / stride + 1;
        }

        /// The numbers, computed on access. At most 2³¹ − 1.
        List<Object> items() {
            int length = Math.toIntExact(length());
            return new AbstractList<>() {
                @Override
                public Object get(int index) {
                    return start + index * step;
                }

                @Override
                public int size() {
                    return length;
                }
            };
        }
    }

    /// The result of a dict's `keys()`, `values()` or `items()`. It has a length and can be iterated any number of
    /// times, but has no index.
    record DictView(String kind, List<Object> items) {
        static DictView keys(Map<?, ?> dict) {
            return new DictView("dict_keys", List.copyOf(dict.keySet()));
        }

        static DictView values(Map<?, ?> dict) {
            return new DictView("dict_values", List.copyOf(dict.values()));
        }

        static DictView items(Map<?, ?> dict) {
            var items = new ArrayList<Object>(dict.size());
            dict.forEach((key, value) -> items.add(Tuple.of(key, value)));
            return new DictView("dict_items", items);
        }
    }

    /// A Python generator, the result of filters such as `map` and `select`. It is true, has no length and no index,
    /// and is empty after one iteration.
    static final class Generated {
        private List<Object> items;

        Generated(List<Object> items) {
            this.items = items;
        }

        List<Object> drain() {
            var drained = items;
            items = List.of();
            return drained;
        }

        /// Removes and returns the first item that is left.
        Object next(Undefined whenEmpty) {
            if (items.isEmpty()) {
                return whenEmpty;
            }
            var first = items.getFirst();
            items = items.subList(1, items.size());
            return first;
        }
    }

    /// A text that `safe` marked as HTML. As in jinja2, `+` escapes the other operand.
    record Markup(String text) {
        static Markup escaped(Budget budget, Object value) {
            if (value instanceof Markup markup) {
                return markup;
            }
            var source = Printing.str(budget, value);
            var escaped = budget.text();
            int copied = 0;
            for (int at = 0; at < source.length(); at++) {
                var entity = entity(source.charAt(at));
                if (!entity.isEmpty()) {
                    escaped.append(source, copied, at).append(entity);
                    copied = at + 1;
                }
            }
            return new Markup(escaped.append(source, copied, source.length()).toString());
        }

        private static String entity(char character) {
            return switch (character) {
                case '&' -> "&amp;";
                case '<' -> "&lt;";
                case '>' -> "&gt;";
                case '\'' -> "&#39;";
                case '"' -> "&#34;";
                default -> "";
            };
        }
    }

    /// A value that can be called: a macro, a method or a global function.
    @FunctionalInterface
    interface Invocable {
        Object call(Arguments arguments);
    }
}
