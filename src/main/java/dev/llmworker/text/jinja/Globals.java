package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Arguments.Signature;
import dev.llmworker.text.jinja.Interpreter.Namespace;
import dev.llmworker.text.jinja.Values.Invocable;
import dev.llmworker.text.jinja.Values.Range;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/// The functions that every template can call.
final class Globals {
    private static final Signature FORMAT = Signature.of("format");
    private static final Signature MESSAGE = Signature.of("message");

    private Globals() {}

    static Map<String, Object> of(Rendering rendering) {
        return Map.of(
                "range", (Invocable) arguments -> range(arguments),
                "dict", (Invocable) arguments -> dict(rendering, arguments),
                "namespace", (Invocable) arguments -> namespace(rendering, arguments),
                "raise_exception",
                        (Invocable) arguments -> {
                            throw JinjaException.raised(rendering.str(
                                    MESSAGE.bind("raise_exception", arguments).at(0)));
                        },
                "strftime_now",
                        (Invocable) arguments -> strftime(
                                FORMAT.bind("strftime_now", arguments).text(0, "strftime_now"),
                                ZonedDateTime.now(rendering.clock())));
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

    private static Map<Object, Object> dict(Rendering rendering, Arguments arguments) {
        var dict = new LinkedHashMap<Object, Object>();
        if (arguments.positional().size() > 1) {
            throw new JinjaException("dict takes at most 1 argument, not "
                    + arguments.positional().size());
        }
        for (var source : arguments.positional()) {
            if (source instanceof Map<?, ?> map) {
                rendering.budget().steps(map.size());
                dict.putAll(map);
            } else {
                for (var item : Values.items(rendering.budget(), source)) {
                    var pair = Values.items(rendering.budget(), item);
                    if (pair.size() != 2) {
                        throw new JinjaException("dict needs pairs, not an item of length " + pair.size());
                    }
                    dict.put(Values.key(pair.get(0)), pair.get(1));
                }
            }
        }
        dict.putAll(arguments.named());
        return dict;
    }

    private static Namespace namespace(Rendering rendering, Arguments arguments) {
        var namespace = new Namespace();
        dict(rendering, arguments).forEach((name, value) -> namespace.set(rendering.str(name), value));
        return namespace;
    }

    /// C's strftime with English names, for the directives that a date or time in a prompt can need.
    private static String strftime(String format, ZonedDateTime time) {
        var out = new StringBuilder();
        for (int at = 0; at < format.length(); at++) {
            char character = format.charAt(at);
            if (character != '%' || at + 1 == format.length()) {
                out.append(character);
                continue;
            }
            char directive = format.charAt(++at);
            // `%-d` omits leading zeros, as in glibc and the BSDs.
            if (directive == '-' && at + 1 < format.length()) {
                out.append(withoutZeros(directive(format.charAt(++at), time)));
            } else {
                out.append(directive(directive, time));
            }
        }
        return out.toString();
    }

    private static String withoutZeros(String digits) {
        return digits.replaceFirst("^[0 ]+(?=\\d)", "");
    }

    private static String directive(char directive, ZonedDateTime time) {
        return switch (directive) {
            case 'Y' -> pattern("yyyy", time);
            case 'y' -> pattern("yy", time);
            case 'm' -> pattern("MM", time);
            case 'd' -> pattern("dd", time);
            case 'e' -> pattern("ppd", time);
            case 'b' -> pattern("MMM", time);
            case 'B' -> pattern("MMMM", time);
            case 'a' -> pattern("EEE", time);
            case 'A' -> pattern("EEEE", time);
            case 'H' -> pattern("HH", time);
            case 'I' -> pattern("hh", time);
            case 'M' -> pattern("mm", time);
            case 'S' -> pattern("ss", time);
            case 'p' -> pattern("a", time);
            case 'j' -> pattern("DDD", time);
            case 'F' -> pattern("yyyy-MM-dd", time);
            case 'T' -> pattern("HH:mm:ss", time);
            case '%' -> "%";
            // Python's datetime.now() has no time zone.
            case 'Z', 'z' -> "";
            default -> throw new JinjaException("strftime_now does not support %" + directive);
        };
    }

    private static String pattern(String pattern, ZonedDateTime time) {
        // Locale.ROOT has no names of months. Locale.US has those of the C locale.
        return DateTimeFormatter.ofPattern(pattern, Locale.US).format(time);
    }
}
