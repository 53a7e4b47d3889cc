package client;

import java.util.List;
import java.util.Map;

/// JSON as Java's own types: maps, lists, texts, numbers, booleans, and null.
public final class Json {
    private Json() {}

    /// @throws IllegalArgumentException where it is no JSON
    public static Object read(String text) {
        return new JsonReader(text).whole();
    }

    /// The object that a text is, or an empty one where it is something else.
    @SuppressWarnings("unchecked")
    public static Map<String, Object> object(String text) {
        try {
            return read(text) instanceof Map<?, ?> map ? (Map<String, Object>) map : Map.of();
        } catch (IllegalArgumentException _) {
            return Map.of();
        }
    }

    /// What lies at the end of a path of names and of places in lists; null where there is no such path.
    public static Object at(Object value, Object... path) {
        var here = value;
        for (var step : path) {
            if (here instanceof Map<?, ?> map) {
                here = map.get(step);
            } else if (here instanceof List<?> list && step instanceof Integer place && place < list.size()) {
                here = list.get(place);
            } else {
                return null;
            }
        }
        return here;
    }

    /// Indented where a value is not short.
    public static String write(Object value) {
        var out = new StringBuilder();
        write(value, out, "\n");
        return out.toString();
    }

    private static void write(Object value, StringBuilder out, String indent) {
        switch (value) {
            case null -> out.append("null");
            case Map<?, ?> map -> {
                var separator = "{";
                for (var entry : map.entrySet()) {
                    out.append(separator).append(indent).append("  ");
                    quote(entry.getKey().toString(), out);
                    out.append(": ");
                    write(entry.getValue(), out, indent + "  ");
                    separator = ",";
                }
                out.append(map.isEmpty() ? "{}" : indent + "}");
            }
            case Iterable<?> list -> writeList(list, out, indent);
            case Double number -> out.append(Double.isFinite(number) ? shorter(number) : "null");
            case Number number -> out.append(number);
            case Boolean truth -> out.append(truth);
            default -> quote(value.toString(), out);
        }
    }

    private static void writeList(Iterable<?> list, StringBuilder out, String indent) {
        var separator = "[";
        for (var item : list) {
            out.append(separator);
            if (item instanceof Map) {
                out.append(indent).append("  ");
            }
            write(item, out, indent + "  ");
            separator = item instanceof Map ? "," : ", ";
        }
        out.append(separator.equals("[") ? "[]" : "]");
    }

    /// Three decimals are enough for seconds and milliseconds alike.
    private static String shorter(double number) {
        var rounded = Math.round(number * 1000) / 1000.0;
        return rounded == Math.rint(rounded) && Math.abs(rounded) < 1e15
                ? Long.toString((long) rounded)
                : Double.toString(rounded);
    }

    private static void quote(String text, StringBuilder out) {
        out.append('"');
        text.chars().forEach(c -> {
            switch (c) {
                case '"', '\\' -> out.append('\\').append((char) c);
                case '\n' -> out.append("\\n");
                default -> {
                    // The rest of the world's scripts may read a report too: what HTML could mistake goes escaped.
                    if (c < ' ' || c == '<' || c == '\u2028' || c == '\u2029') {
                        out.append("\\u%04x".formatted(c));
                    } else {
                        out.append((char) c);
                    }
                }
            }
        });
        out.append('"');
    }
}
