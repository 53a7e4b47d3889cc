package dev.llmworker.text.jinja;

import static dev.llmworker.text.jinja.Subscripts.lookup;

import dev.llmworker.text.jinja.Arguments.Bound;
import dev.llmworker.text.jinja.Values.Markup;
import dev.llmworker.text.jinja.Values.None;
import dev.llmworker.text.jinja.Values.Undefined;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// The filters that chat templates use, by name.
final class Filters {
    private static final Builtins<Object> FILTERS = new Builtins<>("the filter ");

    static {
        addText();
        addValue();
        addSequence();
        addSelecting();
    }

    private Filters() {}

    static Object apply(Budget budget, String name, Object value, Arguments arguments) {
        var filter = FILTERS.find(budget, value, name);
        if (filter == null) {
            throw new JinjaException("No filter named '" + name + "'");
        }
        budget.step();
        return filter.call(arguments);
    }

    private static void addText() {
        FILTERS.add("string", "", (b, v, _) -> v instanceof Markup ? v : Printing.str(b, v));
        FILTERS.add("safe", "", (b, v, _) -> v instanceof Markup ? v : new Markup(Printing.str(b, v)));
        FILTERS.add("upper", "", (b, v, _) -> Markup.like(v, PythonText.upper(read(b, v))));
        FILTERS.add("lower", "", (b, v, _) -> Markup.like(v, PythonText.lower(read(b, v))));
        FILTERS.add("capitalize", "", (b, v, _) -> Markup.like(v, PythonText.capitalize(read(b, v))));
        FILTERS.add("title", "", (b, v, _) -> PythonText.titleFilter(read(b, v)));
        FILTERS.add("trim", "chars?", (b, v, a) -> {
            return Markup.like(v, PythonText.strip(b, read(b, v), a.optionalText(0), true, true));
        });
        FILTERS.add("replace", "old new count?", (b, v, a) -> {
            long count = a.at(2) == None.NONE ? -1 : a.integer(2, -1);
            return PythonText.replace(b, read(b, v), Printing.str(b, a.at(0)), Printing.str(b, a.at(1)), count);
        });
        FILTERS.add("indent", "width? first? blank?", Filters::indent);
        FILTERS.add("join", "d? attribute?", (b, v, a) -> {
            var attribute = lookup(b, a.at(1), None.NONE);
            var texts = Values.items(b, v).stream().map(item -> Printing.str(b, attribute.apply(item)));
            return join(b, Printing.str(b, a.at(0, "")), texts);
        });
        FILTERS.add("tojson", "ensure_ascii? indent? separators? sort_keys?", Printing::json);
    }

    private static String read(Budget budget, Object value) {
        var text = Printing.str(budget, value);
        budget.characters(text.length());
        return text;
    }

    static String join(Budget budget, String separator, Stream<String> texts) {
        var joined = budget.text();
        var before = "";
        for (var text : (Iterable<String>) texts::iterator) {
            joined.append(before).append(text);
            before = separator;
        }
        return joined.toString();
    }

    private static Object indent(Budget budget, Object value, Bound arguments) {
        var text = Values.text(value, "indent");
        var indention = Printing.indent(budget, arguments.at(0, 4L));
        boolean blank = arguments.isTrue(2);
        var out = budget.text().append(arguments.isTrue(1) ? indention : "");
        var separator = "";
        // With one more line end, a text that ends with a line end keeps its empty last line.
        for (var line : PythonText.lines(budget, text + "\n", false)) {
            boolean indented = !separator.isEmpty() && (blank || !"".equals(line));
            out.append(separator).append(indented ? indention : "").append((String) line);
            separator = "\n";
        }
        return Markup.like(value, out.toString());
    }

    private static void addValue() {
        for (var name : List.of("default", "d")) {
            FILTERS.add(name, "default_value? boolean?", (_, v, a) -> {
                return v instanceof Undefined || a.isTrue(1) && !Values.isTrue(v) ? a.at(0, "") : v;
            });
        }
        for (var name : List.of("length", "count")) {
            FILTERS.add(name, "", (b, v, _) -> Values.length(b, v));
        }
        FILTERS.add("int", "default?", (b, v, a) -> integer(b, v, a.at(0, 0L)));
        FILTERS.add("float", "default?", (b, v, a) -> {
            var number = real(b, v);
            return number == null ? a.at(0, 0.0) : number;
        });
    }

    private static Object integer(Budget budget, Object value, Object whenNone) {
        var number = Values.number(value);
        if (number instanceof Long) {
            return number;
        }
        var text = Values.text(value);
        var digits = text == null ? "" : digits(budget, text);
        if (digits.matches("[-+]?\\p{IsDigit}{1,19}") && new BigInteger(digits).bitLength() < Long.SIZE) {
            return Long.valueOf(digits);
        }
        var real = real(budget, value);
        boolean fits = real != null && Math.abs(real) < Long.MAX_VALUE;
        return fits && real != null ? (Object) real.longValue() : whenNone;
    }

    /// The value that Python's `float()` returns; null if it fails.
    private static @Nullable Double real(Budget budget, Object value) {
        var number = Values.number(Values.defined(value));
        if (number != null) {
            return number.doubleValue();
        }
        var text = Values.text(value);
        var digits = text == null ? "" : digits(budget, text);
        if (digits.matches("[-+]?+(?:\\d++\\.?+\\d*+|\\.\\d++)(?:e[-+]?+\\d++)?+")) {
            return Double.valueOf(digits);
        }
        return switch (digits) {
            case "inf", "+inf", "infinity", "+infinity" -> Double.POSITIVE_INFINITY;
            case "-inf", "-infinity" -> Double.NEGATIVE_INFINITY;
            case "nan", "+nan", "-nan" -> Double.NaN;
            default -> null;
        };
    }

    /// The text of a number, without white space around it and underscores between digits.
    private static String digits(Budget budget, String text) {
        budget.characters(text.length());
        return PythonText.lower(PythonText.strip(text, true, true)).replaceAll("(?<=\\d)_(?=\\d)", "");
    }

    private static void addSequence() {
        FILTERS.add("list", "", (b, v, _) -> new ArrayList<>(Values.items(b, v)));
        FILTERS.add("first", "", (b, v, _) -> {
            var items = v instanceof Iterator<?> generator
                    ? generator
                    : Values.items(b, v).iterator();
            return items.hasNext() ? items.next() : new Undefined("No first item, sequence was empty.");
        });
        FILTERS.add("last", "", (b, v, _) -> {
            if (v instanceof Iterator) {
                throw new JinjaException("'generator' object is not reversible");
            }
            var items = Values.items(b, v);
            return items.isEmpty() ? new Undefined("No last item, sequence was empty.") : items.getLast();
        });
        FILTERS.add("reverse", "", (b, v, _) -> {
            if (v instanceof String text) {
                return PythonText.slice(b, text, None.NONE, None.NONE, -1L);
            }
            var reversed = Values.items(b, v).reversed();
            // Python's reversed() returns an iterator. For an iterator, which it refuses, jinja2 returns a list.
            return v instanceof Iterator ? reversed : reversed.iterator();
        });
        FILTERS.add("items", "", (b, v, _) -> {
            return Values.pairs(v instanceof Undefined ? Map.of() : Values.dict(b, v))
                    .iterator();
        });
        FILTERS.add("dictsort", "case_sensitive? by? reverse?", Filters::dictSort);
        FILTERS.add("sort", "reverse? case_sensitive? attribute?", Filters::sort);
        FILTERS.add("unique", "case_sensitive? attribute?", (b, v, a) -> {
            var key = key(b, a.at(1), a.isTrue(0));
            var seen = new HashSet<Object>();
            return new ArrayList<>(Values.items(b, v))
                    .stream()
                            .filter(item -> seen.add(identity(b, key.apply(item))))
                            .toList()
                            .iterator();
        });
        FILTERS.add("min", "case_sensitive? attribute?", (b, v, a) -> extreme(b, v, a, false));
        FILTERS.add("max", "case_sensitive? attribute?", (b, v, a) -> extreme(b, v, a, true));
    }

    private static Object dictSort(Budget budget, Object value, Bound arguments) {
        long position = switch (Printing.str(budget, arguments.at(1, "key"))) {
            case "key" -> 0;
            case "value" -> 1;
            default -> throw new JinjaException("You can only sort by either \"key\" or \"value\"");
        };
        var key = key(budget, position, arguments.isTrue(0));
        return sorted(budget, Values.pairs(Values.dict(budget, value)), arguments.isTrue(2), key);
    }

    private static Object sort(Budget budget, Object value, Bound arguments) {
        // `type,name` sorts by several attributes.
        var attributes = Values.text(arguments.at(2)) instanceof String text
                ? PythonText.split(budget, text, ",", -1)
                : List.of(arguments.at(2));
        var keys = attributes.stream()
                .map(attribute -> key(budget, attribute, arguments.isTrue(1)))
                .toList();
        return sorted(budget, Values.items(budget, value), arguments.isTrue(0), item -> {
            return keys.stream().map(key -> key.apply(item)).toList();
        });
    }

    /// The part of an item that is compared: an attribute, in lower case unless case matters.
    private static UnaryOperator<Object> key(Budget budget, Object attribute, boolean caseSensitive) {
        var lookup = lookup(budget, attribute, None.NONE);
        return item -> {
            var found = lookup.apply(item);
            return Values.text(found) == null || caseSensitive ? found : PythonText.lower(read(budget, found));
        };
    }

    private static List<Object> sorted(Budget budget, List<Object> items, boolean reverse, UnaryOperator<Object> key) {
        record Keyed(Object key, Object item) {}
        // Equal items keep their order, even in reverse.
        var order = Comparator.comparing(Keyed::key, Operators.order(budget));
        try {
            return items.stream()
                    .map(item -> new Keyed(key.apply(item), item))
                    .sorted(reverse ? order.reversed() : order)
                    .map(Keyed::item)
                    .toList();
        } catch (IllegalArgumentException e) {
            throw new JinjaException("the items cannot be sorted: one is NaN");
        }
    }

    /// A key that is equal if Python's values are equal. True, 1 and 1.0 are.
    private static Object identity(Budget budget, Object value) {
        return switch (Values.key(budget, value)) {
            case Boolean bool -> bool ? 1L : 0L;
            case Double number when number == Math.rint(number) && Math.abs(number) < 1L << 53 -> number.longValue();
            case Object key -> key;
        };
    }

    /// The first of the least items, or of the greatest ones.
    private static Object extreme(Budget budget, Object value, Bound arguments, boolean greatest) {
        var order = Comparator.comparing(key(budget, arguments.at(1), arguments.isTrue(0)), Operators.order(budget));
        var wanted = greatest ? order.reversed() : order;
        return Values.items(budget, value).stream()
                .reduce((best, item) -> wanted.compare(item, best) < 0 ? item : best)
                .orElseGet(() -> new Undefined("No aggregated item, sequence was empty."));
    }

    private static void addSelecting() {
        FILTERS.addOpen("map", Filters::map);
        FILTERS.addOpen("select", (b, v, a) -> selected(b, v, test(b, a, "select"), true));
        FILTERS.addOpen("reject", (b, v, a) -> selected(b, v, test(b, a, "reject"), false));
        FILTERS.addOpen("selectattr", (b, v, a) -> selected(b, v, attributeTest(b, a, "selectattr"), true));
        FILTERS.addOpen("rejectattr", (b, v, a) -> selected(b, v, attributeTest(b, a, "rejectattr"), false));
    }

    /// The items that a selecting filter reads. Anything that is false has none.
    private static Stream<Object> stream(Budget budget, Object value) {
        return Values.isTrue(value) ? Values.items(budget, value).stream() : Stream.of();
    }

    private static Object map(Budget budget, Object value, Arguments arguments) {
        UnaryOperator<Object> change;
        if (!arguments.positional().isEmpty()) {
            var name = Printing.str(budget, arguments.positional().getFirst());
            var rest = arguments.rest();
            change = item -> apply(budget, name, item, rest);
        } else if (arguments.named().containsKey("attribute")) {
            var bound = arguments.bind("the filter map", "attribute default?");
            change = lookup(budget, bound.at(0), bound.at(1));
        } else {
            throw new JinjaException("map requires a filter argument");
        }
        return stream(budget, value).map(change).toList().iterator();
    }

    private static Predicate<Object> test(Budget budget, Arguments arguments, String filter) {
        if (arguments.positional().isEmpty()) {
            arguments.bind("the filter " + filter, "");
            return Values::isTrue;
        }
        var name = Printing.str(budget, arguments.positional().getFirst());
        var rest = arguments.rest();
        return item -> Tests.holds(budget, name, item, rest);
    }

    private static Predicate<Object> attributeTest(Budget budget, Arguments arguments, String filter) {
        if (arguments.positional().isEmpty()) {
            throw new JinjaException("Missing parameter for attribute name");
        }
        var lookup = lookup(budget, arguments.positional().getFirst(), None.NONE);
        var test = test(budget, arguments.rest(), filter);
        return item -> test.test(lookup.apply(item));
    }

    private static Object selected(Budget budget, Object value, Predicate<Object> test, boolean wanted) {
        return stream(budget, value)
                .filter(item -> test.test(item) == wanted)
                .toList()
                .iterator();
    }
}
