package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Arguments.Bound;
import dev.llmworker.text.jinja.Arguments.Signature;
import dev.llmworker.text.jinja.Printing.Json;
import dev.llmworker.text.jinja.Subscripts.Lookup;
import dev.llmworker.text.jinja.Values.DictView;
import dev.llmworker.text.jinja.Values.Generated;
import dev.llmworker.text.jinja.Values.Markup;
import dev.llmworker.text.jinja.Values.None;
import dev.llmworker.text.jinja.Values.Tuple;
import dev.llmworker.text.jinja.Values.Undefined;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// The filters by name.
final class Filters {
    /// A filter's work, with its arguments bound.
    @FunctionalInterface
    interface Body {
        Object apply(Rendering rendering, Object value, Bound arguments);
    }

    /// A filter that takes any arguments, for another filter or a test.
    @FunctionalInterface
    interface OpenBody {
        Object apply(Rendering rendering, Object value, Arguments arguments);
    }

    /// What the groups of filters add themselves to.
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

    static boolean isFilter(String name) {
        return FILTERS.containsKey(name);
    }

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
        table.add("escape", "", (r, value, _) -> Markup.escaped(r.budget(), value));
        table.add("e", "", (r, value, _) -> Markup.escaped(r.budget(), value));
        table.add("forceescape", "", (r, value, _) -> Markup.escaped(r.budget(), r.str(value)));
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
                "center",
                "width?",
                (r, value, a) -> like(value, Padding.pad(r.budget(), read(r, value), a.integer(0, 80), " ", 'c')));
        table.add("wordcount", "", (r, value, _) -> words(read(r, value)));
        table.add(
                "tojson",
                "ensure_ascii? indent? separators? sort_keys?",
                (r, value, a) -> Json.dumps(r.budget(), value, a));
        table.addOpen("format", Filters::format);
    }

    private static String read(Rendering rendering, Object value) {
        var text = rendering.str(value);
        rendering.budget().characters(text.length());
        return text;
    }

    /// What is made of markup is markup.
    private static Object like(Object value, String text) {
        return value instanceof Markup ? new Markup(text) : text;
    }

    private static Object indent(Rendering rendering, Object value, Bound arguments) {
        var text = Values.text(value);
        if (text == null) {
            if (value instanceof Undefined undefined) {
                throw undefined.exception();
            }
            throw new JinjaException("indent wants a str, not " + Values.typeName(value));
        }
        var budget = rendering.budget();
        var width = arguments.at(0, 4L);
        var indention = Values.text(width) instanceof String given
                ? given
                : budget.text().repeat(" ", Values.index(width, "widths")).toString();
        boolean blank = arguments.isTrue(2);
        var out = budget.text().append(arguments.isTrue(1) ? indention : "");
        var separator = "";
        // The line end is added so that a text that ends with one keeps an empty last line.
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

    /// Counts runs of letters, digits and underscores, as the regular expression `\w+` finds them.
    private static Object words(String text) {
        long words = 0;
        boolean within = false;
        for (int at = 0; at < text.length(); at += Character.charCount(text.codePointAt(at))) {
            int character = text.codePointAt(at);
            boolean word = character == '_' || Character.isLetter(character) || PythonText.isNumeric(character);
            words += word && !within ? 1 : 0;
            within = word;
        }
        return words;
    }

    private static Object format(Rendering rendering, Object value, Arguments arguments) {
        if (!arguments.positional().isEmpty() && !arguments.named().isEmpty()) {
            throw new JinjaException("can't handle positional and keyword arguments at the same time");
        }
        Object values = arguments.named().isEmpty() ? new Tuple(arguments.positional()) : arguments.named();
        return Percent.format(rendering, value instanceof Markup ? value : rendering.str(value), values);
    }

    private static void addValue(Table table) {
        table.add("default", "default_value? boolean?", (_, value, a) -> orDefault(value, a));
        table.add("d", "default_value? boolean?", (_, value, a) -> orDefault(value, a));
        table.add("length", "", (_, value, _) -> length(value));
        table.add("count", "", (_, value, _) -> length(value));
        table.add("int", "default? base?", (_, value, a) -> integer(value, a.at(0, 0L), a.integer(1, 10)));
        table.add("float", "default?", (_, value, a) -> {
            var number = real(value);
            return number == null ? a.at(0, 0.0) : number;
        });
        table.add("abs", "", (_, value, _) -> absolute(value));
        table.add(
                "round",
                "precision? method?",
                (r, value, a) ->
                        round(r, value, a.integer(0, 0), a.at(1) == None.NONE ? "common" : a.text(1, "round")));
        table.add("attr", "name", (r, value, a) -> {
            var name = a.text(0, "attr");
            var attribute = Subscripts.ownAttribute(r, value, name);
            return attribute != null ? attribute : Undefined.variable(name);
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

    private static Object integer(Object value, Object whenNone, long base) {
        var text = Values.text(value);
        if (text != null) {
            var integer = parsedInteger(text, (int) base);
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

    private static @Nullable Long parsedInteger(String text, int base) {
        var digits = PythonText.strip(text, null, true, true).replaceAll("(?<=[0-9a-zA-Z])_(?=[0-9a-zA-Z])", "");
        var prefix = switch (base) {
            case 16 -> "0[xX]";
            case 8 -> "0[oO]";
            case 2 -> "0[bB]";
            default -> "";
        };
        try {
            return digits.matches("[-+]?\\p{IsAlphabetic}*[\\p{IsDigit}\\p{IsAlphabetic}]*")
                    ? Long.valueOf(prefix.isEmpty() ? digits : digits.replaceFirst("^([-+]?)" + prefix, "$1"), base)
                    : null;
        } catch (NumberFormatException e) {
            return null;
        }
    }

    /// What `float()` gives; null where it fails.
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

    private static Object absolute(Object value) {
        return switch (value) {
            case Double number -> Math.abs(number);
            case Long _, Boolean _ ->
                Values.index(value, "numbers") < 0 ? Arithmetic.negated(value) : Arithmetic.positive(value);
            case Undefined undefined -> throw undefined.exception();
            default -> throw new JinjaException("bad operand type for abs(): '" + Values.typeName(value) + "'");
        };
    }

    private static Object round(Rendering rendering, Object value, long precision, String method) {
        if (value instanceof Undefined undefined) {
            throw undefined.exception();
        }
        if (!Comparisons.isNumber(value)) {
            throw new JinjaException("type " + Values.typeName(value) + " doesn't define __round__ method");
        }
        if (Math.abs(precision) > FormatSpec.MAX_PRECISION) {
            throw new JinjaException(
                    "a precision of " + precision + " digits; the limit is " + FormatSpec.MAX_PRECISION);
        }
        if (method.equals("common")) {
            return rounded(value, (int) precision);
        }
        var scale = Arithmetic.apply(rendering, Arithmetic.Operator.POWER, 10L, precision);
        double scaled = Arithmetic.toDouble(Arithmetic.apply(rendering, Arithmetic.Operator.MULTIPLY, value, scale));
        double whole = switch (method) {
            case "ceil" -> Math.ceil(scaled);
            case "floor" -> Math.floor(scaled);
            default -> throw new JinjaException("method must be common, ceil or floor");
        };
        return Arithmetic.apply(rendering, Arithmetic.Operator.DIVIDE, whole, scale);
    }

    private static Object rounded(Object value, int precision) {
        if (value instanceof Double number) {
            if (number.isNaN() || number.isInfinite()) {
                return number;
            }
            var rounded = new BigDecimal(number).setScale(precision, RoundingMode.HALF_EVEN);
            // A decimal has no negative zero.
            return Math.copySign(rounded.doubleValue(), number);
        }
        long integer = Values.index(value, "numbers");
        return precision >= 0
                ? (Object) integer
                : BigDecimal.valueOf(integer)
                        .setScale(precision, RoundingMode.HALF_EVEN)
                        .longValue();
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
        table.add("sum", "attribute? start?", Filters::sum);
        table.add("batch", "linecount fill_with?", Filters::batch);
        table.add("slice", "slices fill_with?", Filters::slice);
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
        // reversed() gives an iterator; what has no order from the back comes as a list.
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
        // Equal items keep their order, also when the rest is reversed.
        var order = Comparator.comparing(Keyed::key, rendering.comparisons().order());
        try {
            keyed.sort(reverse ? order.reversed() : order);
        } catch (IllegalArgumentException e) {
            throw new JinjaException("the items have no order: one is not a number");
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

    /// Equal for what Python holds to be equal, also true, 1 and 1.0.
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

    private static Object sum(Rendering rendering, Object value, Bound arguments) {
        var lookup = Lookup.of(arguments.at(0), None.NONE);
        var sum = arguments.at(1, 0L);
        if (Values.text(sum) != null) {
            throw new JinjaException("sum() can't sum strings");
        }
        for (var item : items(rendering, value)) {
            sum = Arithmetic.apply(rendering, Arithmetic.Operator.ADD, sum, lookup.in(rendering, item));
        }
        return sum;
    }

    private static Object batch(Rendering rendering, Object value, Bound arguments) {
        long length = arguments.integer(0, 1);
        var fill = arguments.at(1);
        var batches = new ArrayList<Object>();
        var batch = new ArrayList<Object>();
        for (var item : items(rendering, value)) {
            if (batch.size() == length) {
                batches.add(batch);
                batch = new ArrayList<>();
            }
            batch.add(item);
        }
        while (!batch.isEmpty() && fill != None.NONE && batch.size() < length) {
            rendering.budget().step();
            batch.add(fill);
        }
        if (!batch.isEmpty()) {
            batches.add(batch);
        }
        return new Generated(batches);
    }

    private static Object slice(Rendering rendering, Object value, Bound arguments) {
        long slices = arguments.integer(0, 1);
        var items = items(rendering, value);
        if (slices == 0) {
            throw new JinjaException("division by zero");
        }
        var result = new ArrayList<Object>();
        long rest = Math.floorMod(items.size(), slices);
        int start = 0;
        for (long i = 0; i < slices; i++) {
            rendering.budget().step();
            int end = start + (int) (items.size() / slices) + (i < rest ? 1 : 0);
            var slice = new ArrayList<Object>(items.subList(start, end));
            if (arguments.at(1) != None.NONE && i >= rest) {
                slice.add(arguments.at(1));
            }
            result.add(slice);
            start = end;
        }
        return new Generated(result);
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
