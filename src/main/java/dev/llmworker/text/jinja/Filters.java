package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Arguments.Bound;
import dev.llmworker.text.jinja.Arguments.Signature;
import dev.llmworker.text.jinja.Printing.Json;
import dev.llmworker.text.jinja.Subscripts.Lookup;
import dev.llmworker.text.jinja.Values.DictView;
import dev.llmworker.text.jinja.Values.Generated;
import dev.llmworker.text.jinja.Values.Markup;
import dev.llmworker.text.jinja.Values.None;
import dev.llmworker.text.jinja.Values.Undefined;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// The filters that chat templates use, by name.
final class Filters {
    /// A filter whose arguments are bound to its parameters.
    @FunctionalInterface
    interface Body {
        Object apply(Rendering rendering, Object value, Bound arguments);
    }

    /// A filter that passes its arguments on to another filter or a test.
    @FunctionalInterface
    interface OpenBody {
        Object apply(Rendering rendering, Object value, Arguments arguments);
    }

    /// Collects the filters while this class loads.
    static final class Table {
        private final Map<String, OpenBody> filters = new HashMap<>();

        void add(String name, String parameters, Body body) {
            var signature = Signature.of(parameters);
            addOpen(
                    name,
                    (rendering, value, arguments) ->
                            body.apply(rendering, value, signature.bind("the filter " + name, arguments)));
        }

        void addOpen(String name, OpenBody body) {
            filters.put(name, body);
        }
    }

    private static final Map<String, OpenBody> FILTERS = filters();

    private Filters() {}

    static Object apply(Rendering rendering, String name, Object value, Arguments arguments) {
        var filter = FILTERS.get(name);
        if (filter == null) {
            throw new JinjaException("No filter named '" + name + "'");
        }
        rendering.budget().step();
        return filter.apply(rendering, value, arguments);
    }

    private static Map<String, OpenBody> filters() {
        var table = new Table();
        addText(table);
        addValue(table);
        addSequence(table);
        addSelecting(table);
        return Map.copyOf(table.filters);
    }

    private static void addText(Table table) {
        table.add("string", "", (r, value, _) -> value instanceof Markup ? value : r.str(value));
        table.add("safe", "", (r, value, _) -> value instanceof Markup ? value : new Markup(r.str(value)));
        table.add("upper", "", (r, value, _) -> like(value, PythonText.upper(read(r, value))));
        table.add("lower", "", (r, value, _) -> like(value, PythonText.lower(read(r, value))));
        table.add("capitalize", "", (r, value, _) -> like(value, PythonText.capitalize(read(r, value))));
        table.add("title", "", (r, value, _) -> PythonText.titleFilter(read(r, value)));
        table.add(
                "trim",
                "chars?",
                (r, value, a) -> like(value, PythonText.strip(read(r, value), a.optionalText(0, "trim"), true, true)));
        table.add(
                "replace",
                "old new count?",
                (r, value, a) -> PythonText.replace(
                        r.budget(),
                        read(r, value),
                        r.str(a.at(0)),
                        r.str(a.at(1)),
                        a.at(2) == None.NONE ? -1 : a.integer(2, -1)));
        table.add("indent", "width? first? blank?", Filters::indent);
        table.add("join", "d? attribute?", Filters::join);
        table.add(
                "tojson",
                "ensure_ascii? indent? separators? sort_keys?",
                (r, value, a) -> Json.dumps(r.budget(), value, a));
    }

    private static String read(Rendering rendering, Object value) {
        var text = rendering.str(value);
        rendering.budget().characters(text.length());
        return text;
    }

    /// The text, marked as HTML if the input was.
    private static Object like(Object value, String text) {
        return value instanceof Markup ? new Markup(text) : text;
    }

    private static Object indent(Rendering rendering, Object value, Bound arguments) {
        var text = Values.text(value);
        if (text == null) {
            if (value instanceof Undefined undefined) {
                throw undefined.exception();
            }
            throw new JinjaException("indent needs a str, not " + Values.typeName(value));
        }
        var budget = rendering.budget();
        var width = arguments.at(0, 4L);
        var indention = Values.text(width) instanceof String given
                ? given
                : budget.text().repeat(" ", Values.index(width, "widths")).toString();
        boolean blank = arguments.isTrue(2);
        var out = budget.text().append(arguments.isTrue(1) ? indention : "");
        var separator = "";
        // With one more line end, a text that ends with a line end keeps its empty last line.
        for (var line : PythonText.lines(budget, text + "\n", false)) {
            boolean indented = !separator.isEmpty() && (blank || !"".equals(line));
            out.append(separator).append(indented ? indention : "").append((String) line);
            separator = "\n";
        }
        return like(value, out.toString());
    }

    private static Object join(Rendering rendering, Object value, Bound arguments) {
        var lookup = Lookup.of(arguments.at(1), None.NONE);
        var separator = rendering.str(arguments.at(0, ""));
        var joined = rendering.budget().text();
        var before = "";
        for (var item : Values.items(rendering.budget(), value)) {
            joined.append(before).append(rendering.str(lookup.in(rendering, item)));
            before = separator;
        }
        return joined.toString();
    }

    private static void addValue(Table table) {
        table.add("default", "default_value? boolean?", (_, value, a) -> orDefault(value, a));
        table.add("d", "default_value? boolean?", (_, value, a) -> orDefault(value, a));
        table.add("length", "", (_, value, _) -> length(value));
        table.add("count", "", (_, value, _) -> length(value));
        table.add("int", "default?", (_, value, a) -> integer(value, a.at(0, 0L)));
        table.add("float", "default?", (_, value, a) -> {
            var number = real(value);
            return number == null ? a.at(0, 0.0) : number;
        });
    }

    private static Object orDefault(Object value, Bound arguments) {
        boolean replaced = value instanceof Undefined || arguments.isTrue(1) && !Values.isTrue(value);
        return replaced ? arguments.at(0, "") : value;
    }

    private static Object length(Object value) {
        var length = Values.length(value);
        if (length == null) {
            throw new JinjaException("object of type '" + Values.typeName(value) + "' has no len()");
        }
        return length;
    }

    private static Object integer(Object value, Object whenNone) {
        var text = Values.text(value);
        if (text != null) {
            var integer = parsedInteger(text);
            if (integer != null) {
                return integer;
            }
        } else if (value instanceof Long || value instanceof Boolean) {
            return Values.index(value, "numbers");
        }
        var number = real(value);
        boolean finite = number != null && !number.isNaN() && Math.abs(number) < Long.MAX_VALUE;
        return finite && number != null ? (Object) (long) (double) number : whenNone;
    }

    private static @Nullable Long parsedInteger(String text) {
        var digits = PythonText.strip(text, null, true, true).replaceAll("(?<=\\d)_(?=\\d)", "");
        try {
            return digits.matches("[-+]?\\p{IsDigit}+") ? Long.valueOf(digits) : null;
        } catch (NumberFormatException e) {
            return null;
        }
    }

    /// The value that Python's `float()` returns; null if it fails.
    private static @Nullable Double real(Object value) {
        return switch (value) {
            case Double number -> number;
            case Long _, Boolean _ -> Arithmetic.toDouble(value);
            case String text -> parsedReal(text);
            case Markup markup -> parsedReal(markup.text());
            case Undefined undefined -> throw undefined.exception();
            default -> null;
        };
    }

    private static @Nullable Double parsedReal(String text) {
        var digits = PythonText.lower(PythonText.strip(text, null, true, true)).replaceAll("(?<=\\d)_(?=\\d)", "");
        if (digits.matches("[-+]?(\\d+\\.?\\d*|\\.\\d+)(e[-+]?\\d+)?")) {
            return Double.valueOf(digits);
        }
        return switch (digits) {
            case "inf", "+inf", "infinity", "+infinity" -> Double.POSITIVE_INFINITY;
            case "-inf", "-infinity" -> Double.NEGATIVE_INFINITY;
            case "nan", "+nan", "-nan" -> Double.NaN;
            default -> null;
        };
    }

    private static void addSequence(Table table) {
        table.add("list", "", (r, value, _) -> List.copyOf(items(r, value)));
        table.add("first", "", (r, value, _) -> first(r, value));
        table.add("last", "", (r, value, _) -> {
            var items = reversible(r, value);
            return items.isEmpty() ? new Undefined("No last item, sequence was empty.") : items.getLast();
        });
        table.add("reverse", "", Filters::reverse);
        table.add("items", "", (r, value, _) -> pairs(r, value));
        table.add("dictsort", "case_sensitive? by? reverse?", Filters::dictSort);
        table.add("sort", "reverse? case_sensitive? attribute?", Filters::sort);
        table.add("unique", "case_sensitive? attribute?", Filters::unique);
        table.add("min", "case_sensitive? attribute?", (r, value, a) -> extreme(r, value, a, -1));
        table.add("max", "case_sensitive? attribute?", (r, value, a) -> extreme(r, value, a, 1));
    }

    private static List<Object> items(Rendering rendering, Object value) {
        return Values.items(rendering.budget(), value);
    }

    private static Object first(Rendering rendering, Object value) {
        var empty = new Undefined("No first item, sequence was empty.");
        if (value instanceof Generated generated) {
            return generated.next(empty);
        }
        var items = items(rendering, value);
        return items.isEmpty() ? empty : items.getFirst();
    }

    private static List<Object> reversible(Rendering rendering, Object value) {
        if (value instanceof Generated) {
            throw new JinjaException("'generator' object is not reversible");
        }
        return items(rendering, value);
    }

    private static Object reverse(Rendering rendering, Object value, Bound arguments) {
        if (value instanceof String text) {
            return PythonText.slice(rendering.budget(), text, None.NONE, None.NONE, -1L);
        }
        var reversed = List.copyOf(items(rendering, value)).reversed();
        // Python's reversed() returns an iterator. For an iterator, which it refuses, jinja2 returns a list.
        return value instanceof Generated ? reversed : new Generated(reversed);
    }

    private static Object pairs(Rendering rendering, Object value) {
        if (value instanceof Undefined) {
            return new Generated(List.of());
        }
        return new Generated(DictView.items(dict(rendering, value)).items());
    }

    private static Map<?, ?> dict(Rendering rendering, Object value) {
        if (!(value instanceof Map<?, ?> map)) {
            if (value instanceof Undefined undefined) {
                throw undefined.exception();
            }
            throw new JinjaException("Can only get item pairs from a mapping.");
        }
        rendering.budget().steps(map.size());
        return map;
    }

    private static Object dictSort(Rendering rendering, Object value, Bound arguments) {
        int position = switch (rendering.str(arguments.at(1, "key"))) {
            case "key" -> 0;
            case "value" -> 1;
            default -> throw new JinjaException("You can only sort by either \"key\" or \"value\"");
        };
        var lookup = new Lookup(List.of((long) position), None.NONE);
        boolean caseSensitive = arguments.isTrue(0);
        var pairs = DictView.items(dict(rendering, value)).items();
        return sorted(rendering, pairs, arguments.isTrue(2), pair -> lookup.key(rendering, pair, caseSensitive));
    }

    private static Object sort(Rendering rendering, Object value, Bound arguments) {
        var lookups = Lookup.listOf(arguments.at(2));
        boolean caseSensitive = arguments.isTrue(1);
        return sorted(rendering, items(rendering, value), arguments.isTrue(0), item -> {
            var keys = new ArrayList<Object>(lookups.size());
            lookups.forEach(lookup -> keys.add(lookup.key(rendering, item, caseSensitive)));
            return keys;
        });
    }

    private static List<Object> sorted(
            Rendering rendering, List<Object> items, boolean reverse, Function<Object, Object> key) {
        record Keyed(Object key, Object item) {}
        var keyed = new ArrayList<Keyed>(items.size());
        items.forEach(item -> keyed.add(new Keyed(key.apply(item), item)));
        // Equal items keep their order, even in reverse.
        var order = Comparator.comparing(Keyed::key, rendering.comparisons().order());
        try {
            keyed.sort(reverse ? order.reversed() : order);
        } catch (IllegalArgumentException e) {
            throw new JinjaException("the items cannot be sorted: one is NaN");
        }
        var sorted = new ArrayList<Object>(items.size());
        keyed.forEach(entry -> sorted.add(entry.item()));
        return sorted;
    }

    private static Object unique(Rendering rendering, Object value, Bound arguments) {
        var lookup = Lookup.of(arguments.at(1), None.NONE);
        var seen = new HashSet<Object>();
        var unique = new ArrayList<Object>();
        for (var item : items(rendering, value)) {
            if (seen.add(identity(lookup.key(rendering, item, arguments.isTrue(0))))) {
                unique.add(item);
            }
        }
        return new Generated(unique);
    }

    /// A key that is equal if Python's values are equal. True, 1 and 1.0 are.
    private static Object identity(Object value) {
        return switch (Values.key(value)) {
            case Boolean bool -> bool ? 1L : 0L;
            case Double number when number == Math.rint(number) && Math.abs(number) < 1L << 53 -> number.longValue();
            case Object key -> key;
        };
    }

    private static Object extreme(Rendering rendering, Object value, Bound arguments, int direction) {
        var lookup = Lookup.of(arguments.at(1), None.NONE);
        var items = items(rendering, value);
        if (items.isEmpty()) {
            return new Undefined("No aggregated item, sequence was empty.");
        }
        var best = items.getFirst();
        var bestKey = lookup.key(rendering, best, arguments.isTrue(0));
        for (var item : items.subList(1, items.size())) {
            var key = lookup.key(rendering, item, arguments.isTrue(0));
            if (rendering.comparisons().compare(key, bestKey, direction < 0 ? "<" : ">") * direction > 0) {
                best = item;
                bestKey = key;
            }
        }
        return best;
    }

    private static void addSelecting(Table table) {
        table.addOpen("map", Filters::map);
        table.addOpen("select", (r, value, a) -> selected(r, value, test(r, "select", a), true));
        table.addOpen("reject", (r, value, a) -> selected(r, value, test(r, "reject", a), false));
        table.addOpen("selectattr", (r, value, a) -> selected(r, value, attributeTest(r, "selectattr", a), true));
        table.addOpen("rejectattr", (r, value, a) -> selected(r, value, attributeTest(r, "rejectattr", a), false));
    }

    private static Object map(Rendering rendering, Object value, Arguments arguments) {
        var mapped = new ArrayList<Object>();
        if (!Values.isTrue(value)) {
            return new Generated(mapped);
        }
        if (arguments.positional().isEmpty() && arguments.named().containsKey("attribute")) {
            var bound = Signature.of("attribute default?").bind("the filter map", arguments);
            var lookup = Lookup.of(bound.at(0), bound.at(1));
            Values.items(rendering.budget(), value).forEach(item -> mapped.add(lookup.in(rendering, item)));
            return new Generated(mapped);
        }
        if (arguments.positional().isEmpty()) {
            throw new JinjaException("map requires a filter argument");
        }
        var name = rendering.str(arguments.positional().getFirst());
        for (var item : Values.items(rendering.budget(), value)) {
            mapped.add(Filters.apply(rendering, name, item, arguments.rest()));
        }
        return new Generated(mapped);
    }

    private static Predicate<Object> test(Rendering rendering, String filter, Arguments arguments) {
        if (arguments.positional().isEmpty()) {
            Signature.EMPTY.bind("the filter " + filter, arguments);
            return Values::isTrue;
        }
        var name = rendering.str(arguments.positional().getFirst());
        var rest = arguments.rest();
        return item -> Tests.holds(rendering, name, item, rest);
    }

    private static Predicate<Object> attributeTest(Rendering rendering, String filter, Arguments arguments) {
        if (arguments.positional().isEmpty()) {
            throw new JinjaException("Missing parameter for attribute name");
        }
        var lookup = Lookup.of(arguments.positional().getFirst(), None.NONE);
        var test = test(rendering, filter, arguments.rest());
        return item -> test.test(lookup.in(rendering, item));
    }

    private static Object selected(Rendering rendering, Object value, Predicate<Object> test, boolean wanted) {
        List<Object> items = Values.isTrue(value) ? Values.items(rendering.budget(), value) : List.of();
        var selected = new ArrayList<Object>();
        for (var item : items) {
            if (test.test(item) == wanted) {
                selected.add(item);
            }
        }
        return new Generated(selected);
    }
}
