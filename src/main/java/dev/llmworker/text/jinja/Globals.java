package dev.llmworker.text.jinja;

import java.time.ZonedDateTime;
import java.util.LinkedHashMap;
import java.util.Map;

/// The functions that every template has.
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
                        (Invocable) arguments -> Strftime.format(
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
                        throw new JinjaException("dict wants pairs; there is an item of " + pair.size());
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
}
