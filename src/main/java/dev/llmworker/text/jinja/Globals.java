package dev.llmworker.text.jinja;

import java.time.Clock;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The functions that every template can call.
final class Globals {
    private static final Builtins<Clock> FUNCTIONS = new Builtins<>("");
    /// `%-d` omits leading zeros, as in glibc and the BSDs.
    private static final Pattern DIRECTIVE = Pattern.compile("%(?<short>-?)(?<letter>.)", Pattern.DOTALL);
    /// The pattern that [DateTimeFormatter] has for each directive of C's strftime.
    private static final Map<Character, String> DATE_PATTERNS = Map.ofEntries(
            Map.entry('Y', "yyyy"),
            Map.entry('y', "yy"),
            Map.entry('m', "MM"),
            Map.entry('d', "dd"),
            Map.entry('e', "ppd"),
            Map.entry('b', "MMM"),
            Map.entry('B', "MMMM"),
            Map.entry('a', "EEE"),
            Map.entry('A', "EEEE"),
            Map.entry('H', "HH"),
            Map.entry('I', "hh"),
            Map.entry('M', "mm"),
            Map.entry('S', "ss"),
            Map.entry('p', "a"),
            Map.entry('j', "DDD"),
            Map.entry('F', "yyyy-MM-dd"),
            Map.entry('T', "HH:mm:ss"),
            Map.entry('%', "'%'"),
            // Python's datetime.now() has no time zone.
            Map.entry('Z', ""),
            Map.entry('z', ""));

    static {
        FUNCTIONS.addOpen("range", (_, _, arguments) -> range(arguments));
        FUNCTIONS.addOpen("dict", (budget, _, arguments) -> dict(budget, arguments));
        FUNCTIONS.addOpen("namespace", (budget, _, arguments) -> {
            var namespace = new Namespace();
            dict(budget, arguments).forEach((name, value) -> namespace.set(Printing.str(budget, name), value));
            return namespace;
        });
        FUNCTIONS.add("raise_exception", "message", (budget, _, arguments) -> {
            throw JinjaException.raised(Printing.str(budget, arguments.at(0)));
        });
        FUNCTIONS.add("strftime_now", "format", (budget, clock, arguments) -> {
            return strftime(budget, arguments.text(0), ZonedDateTime.now(clock));
        });
    }

    private Globals() {}

    /// @param clock the time and time zone of `strftime_now`
    static Map<String, Object> of(Budget budget, Clock clock) {
        return FUNCTIONS.all(budget, clock);
    }

    private static Range range(Arguments arguments) {
        var numbers = arguments.positional();
        if (numbers.isEmpty() || numbers.size() > 3 || !arguments.named().isEmpty()) {
            throw new JinjaException("range takes 1 to 3 numbers, not " + numbers.size());
        }
        long first = Values.index(numbers.getFirst(), "the bounds of a range");
        if (numbers.size() == 1) {
            return Range.of(0, first, 1);
        }
        long stop = Values.index(numbers.get(1), "the bounds of a range");
        return Range.of(first, stop, numbers.size() == 3 ? Values.index(numbers.get(2), "the steps of a range") : 1);
    }

    private static Map<Object, Object> dict(Budget budget, Arguments arguments) {
        var dict = new LinkedHashMap<Object, Object>();
        if (arguments.positional().size() > 1) {
            throw new JinjaException("dict takes at most 1 argument, not "
                    + arguments.positional().size());
        }
        for (var source : arguments.positional()) {
            var pairs =
                    source instanceof Map ? Values.pairs(Values.dict(budget, source)) : Values.items(budget, source);
            for (var item : pairs) {
                var pair = Values.items(budget, item);
                if (pair.size() != 2) {
                    throw new JinjaException("dict needs pairs, not an item of length " + pair.size());
                }
                dict.put(Values.key(budget, pair.get(0)), pair.get(1));
            }
        }
        dict.putAll(arguments.named());
        return dict;
    }

    /// C's strftime with English names, for the directives that a date or time in a prompt can need.
    private static String strftime(Budget budget, String format, ZonedDateTime time) {
        var out = budget.text();
        int copied = 0;
        for (var directive = DIRECTIVE.matcher(format); directive.find(); copied = directive.end()) {
            budget.step();
            var written = written(directive, time);
            out.append(format, copied, directive.start()).append(written);
        }
        return out.append(format, copied, format.length()).toString();
    }

    private static String written(Matcher directive, ZonedDateTime time) {
        var letter = directive.group("letter").charAt(0);
        var pattern = DATE_PATTERNS.get(letter);
        if (pattern == null) {
            throw new JinjaException("strftime_now does not support %" + letter);
        }
        // Locale.ROOT has no names of months. Locale.US has those of the C locale.
        var written = DateTimeFormatter.ofPattern(pattern, Locale.US).format(time);
        return directive.group("short").isEmpty() ? written : written.replaceFirst("^[0 ]+(?=\\d)", "");
    }
}
