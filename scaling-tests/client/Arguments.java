package client;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The options of a command line, checked as they are read.
public final class Arguments {
    private final List<Option> options;
    private final Map<String, List<String>> given;

    private Arguments(List<Option> options, Map<String, List<String>> given) {
        this.options = options;
        this.given = given;
    }

    /// @throws UsageException for an option that is not in `options`, or has no value
    public static Arguments parse(List<Option> options, String... words) throws UsageException {
        var given = new LinkedHashMap<String, List<String>>();
        for (var i = 0; i < words.length; i++) {
            var equals = words[i].indexOf('=');
            var name = equals < 0 ? words[i] : words[i].substring(0, equals);
            var option = options.stream()
                    .filter(o -> o.name().equals(name))
                    .findFirst()
                    .orElseThrow(() -> new UsageException("unknown option " + name + "; --help lists what there is"));
            var values = given.computeIfAbsent(name, _ -> new ArrayList<>());
            if (option.isFlag() && equals >= 0) {
                throw new UsageException(name + " takes no value");
            } else if (option.isFlag()) {
                values.add("");
            } else if (equals >= 0) {
                values.add(words[i].substring(equals + 1));
            } else if (i + 1 < words.length && !words[i + 1].startsWith("--")) {
                values.add(words[++i]);
            } else {
                throw new UsageException(name + " needs a value: " + option.value());
            }
        }
        return new Arguments(options, given);
    }

    /// @param first what the program is for, with an example
    public static String help(String first, List<Option> options) {
        var lines = new StringBuilder(first).append("\n\nOptions:\n");
        options.forEach(option -> lines.append(option.line()).append('\n'));
        return lines.toString();
    }

    public boolean has(String name) {
        return given.containsKey(name);
    }

    /// The last value given, or the default; empty where there is neither.
    public String text(String name) {
        return optional(name).orElseGet(() -> option(name).absent());
    }

    public Optional<String> optional(String name) {
        return Optional.ofNullable(given.get(name)).map(List::getLast);
    }

    /// All values of an option that may be repeated.
    public List<String> all(String name) {
        return given.getOrDefault(name, List.of());
    }

    public int whole(String name, int low, int high) throws UsageException {
        return whole(name, text(name), low, high);
    }

    /// Whole numbers with commas between.
    public List<Integer> wholes(String name, int low, int high) throws UsageException {
        var numbers = new ArrayList<Integer>();
        for (var part : text(name).split(",")) {
            numbers.add(whole(name, part.strip(), low, high));
        }
        return numbers;
    }

    private static int whole(String name, String text, int low, int high) throws UsageException {
        try {
            var number = Integer.parseInt(text);
            if (number >= low && number <= high) {
                return number;
            }
        } catch (NumberFormatException _) {
            // Told below, as a number out of range is.
        }
        throw new UsageException(name + " is \"" + text + "\"; it must be a whole number from " + low + " to " + high);
    }

    public double number(String name, double low, double high) throws UsageException {
        var text = text(name);
        try {
            var number = Double.parseDouble(text);
            if (number >= low && number <= high) {
                return number;
            }
        } catch (NumberFormatException _) {
            // Told below, as a number out of range is.
        }
        throw new UsageException(
                name + " is \"" + text + "\"; it must be a number from " + plain(low) + " to " + plain(high));
    }

    /// A number of seconds, with or without a point.
    public Duration seconds(String name, double low, double high) throws UsageException {
        return Duration.ofNanos(Math.round(number(name, low, high) * 1e9));
    }

    /// One of the words, or a list of them with commas between.
    public List<String> oneOf(String name, boolean several, String... allowed) throws UsageException {
        var words = Arrays.stream(text(name).split(",")).map(String::strip).toList();
        var known = List.of(allowed);
        if (!known.containsAll(words) || (!several && words.size() > 1)) {
            throw new UsageException(name + " is \"" + text(name) + "\"; it must be "
                    + (several ? "some of " : "one of ") + String.join(", ", known));
        }
        return words;
    }

    private Option option(String name) {
        return options.stream()
                .filter(option -> option.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("no option " + name));
    }

    private static String plain(double number) {
        return number == Math.rint(number) ? Long.toString((long) number) : Double.toString(number);
    }
}
