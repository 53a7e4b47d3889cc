package dev.llmworker.text.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Python's `json.dumps`, which transformers puts in the place of jinja2's own `tojson`.
///
/// @param indent what a level is indented by; null writes all on one line
record Json(boolean asciiOnly, @Nullable String indent, String itemSeparator, String keySeparator, boolean sorted) {
    /// The filter `tojson(ensure_ascii=False, indent=None, separators=None, sort_keys=False)`.
    static String dumps(Budget budget, Object value, Bound arguments) {
        var indent = indent(budget, arguments.at(1));
        var itemSeparator = indent == null ? ", " : ",";
        var keySeparator = ": ";
        if (arguments.at(2) != None.NONE) {
            var separators = Values.items(budget, arguments.at(2));
            if (separators.size() != 2) {
                throw new JinjaException("tojson wants two separators, not " + separators.size());
            }
            itemSeparator = Printing.str(budget, separators.get(0));
            keySeparator = Printing.str(budget, separators.get(1));
        }
        var json = new Json(arguments.isTrue(0), indent, itemSeparator, keySeparator, arguments.isTrue(3));
        var out = budget.text();
        json.write(budget, value, 0, out);
        return out.toString();
    }

    private static @Nullable String indent(Budget budget, Object indent) {
        if (indent == None.NONE) {
            return null;
        }
        var text = Values.text(indent);
        return text != null
                ? text
                : budget.text().repeat(" ", Values.index(indent, "indents")).toString();
    }

    private void write(Budget budget, Object value, int level, Text out) {
        budget.enter();
        budget.step();
        switch (value) {
            case None _, Boolean _, Long _, Double _ -> out.append(scalar(value));
            case String text -> quote(text, out);
            case Markup markup -> quote(markup.text(), out);
            case List<?> list -> array(budget, list, level, out);
            case Tuple tuple -> array(budget, tuple.items(), level, out);
            case Map<?, ?> map -> object(budget, map, level, out);
            default ->
                throw new JinjaException("Object of type " + Values.typeName(value) + " is not JSON serializable");
        }
        budget.leave();
    }

    private static String scalar(Object value) {
        return switch (value) {
            case Boolean bool -> bool ? "true" : "false";
            case Long integer -> Long.toString(integer);
            case Double number when number.isNaN() -> "NaN";
            case Double number when number.isInfinite() -> number > 0 ? "Infinity" : "-Infinity";
            case Double number -> Printing.number(number);
            default -> "null";
        };
    }

    private void array(Budget budget, List<?> items, int level, Text out) {
        if (items.isEmpty()) {
            out.append("[]");
            return;
        }
        var separator = "[";
        for (var item : items) {
            newLine(level + 1, out.append(separator));
            write(budget, item, level + 1, out);
            separator = itemSeparator;
        }
        newLine(level, out);
        out.append("]");
    }

    private void object(Budget budget, Map<?, ?> map, int level, Text out) {
        if (map.isEmpty()) {
            out.append("{}");
            return;
        }
        var separator = "{";
        for (var key : keys(budget, map)) {
            newLine(level + 1, out.append(separator));
            quote(name(key), out);
            write(budget, valueOf(map, key), level + 1, out.append(keySeparator));
            separator = itemSeparator;
        }
        newLine(level, out);
        out.append("}");
    }

    private List<Object> keys(Budget budget, Map<?, ?> map) {
        var keys = new ArrayList<Object>(map.keySet());
        if (sorted) {
            keys.sort(new Comparisons(budget).order());
        }
        return keys;
    }

    private static Object valueOf(Map<?, ?> map, Object key) {
        var value = map.get(key);
        return value == null ? None.NONE : value;
    }

    private static String name(Object key) {
        return switch (key) {
            case String text -> text;
            case None _, Boolean _, Long _, Double _ -> scalar(key);
            default ->
                throw new JinjaException("keys must be str, int, float, bool or None, not " + Values.typeName(key));
        };
    }

    private void newLine(int level, Text out) {
        if (indent != null) {
            out.append("\n").repeat(indent, level);
        }
    }

    private void quote(String text, Text out) {
        out.append("\"");
        int copied = 0;
        for (int at = 0; at < text.length(); at++) {
            var escape = escape(text.charAt(at));
            if (!escape.isEmpty()) {
                out.append(text, copied, at).append(escape);
                copied = at + 1;
            }
        }
        out.append(text, copied, text.length()).append("\"");
    }

    private String escape(char character) {
        return switch (character) {
            case '"' -> "\\\"";
            case '\\' -> "\\\\";
            case '\n' -> "\\n";
            case '\r' -> "\\r";
            case '\t' -> "\\t";
            case '\f' -> "\\f";
            case '\b' -> "\\b";
            default -> character < ' ' || asciiOnly && character > '~' ? hexadecimal(character) : "";
        };
    }

    private static String hexadecimal(char character) {
        var hex = Integer.toHexString(character);
        return "\\u" + "0".repeat(4 - hex.length()) + hex;
    }
}
