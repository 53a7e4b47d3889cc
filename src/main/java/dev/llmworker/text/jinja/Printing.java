package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Arguments.Bound;
import dev.llmworker.text.jinja.Interpreter.Loop;
import dev.llmworker.text.jinja.Interpreter.Macro;
import dev.llmworker.text.jinja.Interpreter.Namespace;
import dev.llmworker.text.jinja.Rendering.Budget;
import dev.llmworker.text.jinja.Rendering.Text;
import dev.llmworker.text.jinja.Values.DictView;
import dev.llmworker.text.jinja.Values.Markup;
import dev.llmworker.text.jinja.Values.None;
import dev.llmworker.text.jinja.Values.Range;
import dev.llmworker.text.jinja.Values.Tuple;
import dev.llmworker.text.jinja.Values.Undefined;
import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// How values are written: Python's `str()`, `repr()` and `json.dumps()`.
final class Printing {
    private Printing() {}

    static String str(Budget budget, Object value) {
        return switch (value) {
            case String text -> text;
            case Markup markup -> markup.text();
            case Undefined _ -> "";
            default -> repr(budget, value);
        };
    }

    static String repr(Budget budget, Object value) {
        var out = budget.text();
        repr(budget, value, out);
        return out.toString();
    }

    /// Two small stack frames per level are enough, so that nested values need no more stack than nested templates.
    private static void repr(Budget budget, Object value, Text out) {
        budget.enter();
        budget.step();
        switch (value) {
            case List<?> list -> sequence(budget, "[", list, "]", out);
            case Tuple tuple ->
                sequence(budget, "(", tuple.items(), tuple.items().size() == 1 ? ",)" : ")", out);
            case DictView view -> sequence(budget, view.kind() + "([", view.items(), "])", out);
            case Map<?, ?> map -> dict(budget, "{", map, "}", out);
            case Namespace namespace -> dict(budget, "<Namespace {", namespace.attributes(), "}>", out);
            default -> scalar(value, out);
        }
        budget.leave();
    }

    private static void scalar(Object value, Text out) {
        switch (value) {
            case None _ -> out.append("None");
            case Boolean bool -> out.append(bool ? "True" : "False");
            case Long integer -> out.append(Long.toString(integer));
            case Double number -> out.append(number(number));
            case String text -> quote(text, out);
            case Markup markup -> {
                quote(markup.text(), out.append("Markup("));
                out.append(")");
            }
            case Range range -> range(range, out);
            case Loop loop -> out.append("<LoopContext " + loop.index() + "/" + loop.length() + ">");
            case Macro macro -> {
                quote(macro.name(), out.append("<Macro "));
                out.append(">");
            }
            case Undefined _ -> out.append("Undefined");
            default -> out.append("<" + Values.typeName(value) + ">");
        }
    }

    private static void sequence(Budget budget, String open, List<?> items, String close, Text out) {
        out.append(open);
        var separator = "";
        for (var item : items) {
            repr(budget, item, out.append(separator));
            separator = ", ";
        }
        out.append(close);
    }

    private static void dict(Budget budget, String open, Map<?, ?> dict, String close, Text out) {
        out.append(open);
        var separator = "";
        for (var entry : dict.entrySet()) {
            repr(budget, entry.getKey(), out.append(separator));
            repr(budget, entry.getValue(), out.append(": "));
            separator = ", ";
        }
        out.append(close);
    }

    private static void range(Range range, Text out) {
        var step = range.step() == 1 ? "" : ", " + range.step();
        out.append("range(" + range.start() + ", " + range.stop() + step + ")");
    }

    /// Writes a text in single quotes, or in double quotes if only these need no escape.
    private static void quote(String text, Text out) {
        char quote = text.indexOf('\'') >= 0 && text.indexOf('"') < 0 ? '"' : '\'';
        out.append(Character.toString(quote));
        for (int at = 0; at < text.length(); at += Character.charCount(text.codePointAt(at))) {
            int character = text.codePointAt(at);
            if (character == quote || character == '\\') {
                out.append("\\").appendCodePoint(character);
            } else if (isPrintable(character)) {
                out.appendCodePoint(character);
            } else {
                out.append(escaped(character));
            }
        }
        out.append(Character.toString(quote));
    }

    private static String escaped(int character) {
        return switch (character) {
            case '\n' -> "\\n";
            case '\r' -> "\\r";
            case '\t' -> "\\t";
            default -> {
                var hex = Integer.toHexString(character);
                if (character <= 0xff) {
                    yield "\\x" + "0".repeat(2 - hex.length()) + hex;
                }
                yield character <= 0xffff
                        ? "\\u" + "0".repeat(4 - hex.length()) + hex
                        : "\\U" + "0".repeat(8 - hex.length()) + hex;
            }
        };
    }

    private static boolean isPrintable(int character) {
        return switch (Character.getType(character)) {
            case Character.CONTROL,
                    Character.FORMAT,
                    Character.SURROGATE,
                    Character.PRIVATE_USE,
                    Character.UNASSIGNED,
                    Character.LINE_SEPARATOR,
                    Character.PARAGRAPH_SEPARATOR -> false;
            case Character.SPACE_SEPARATOR -> character == ' ';
            default -> true;
        };
    }

    /// The shortest digits that identify the number. As in Python, numbers below 10⁻⁴ and from 10¹⁶ have an exponent.
    static String number(double number) {
        if (Double.isNaN(number)) {
            return "nan";
        }
        if (Double.isInfinite(number)) {
            return number > 0 ? "inf" : "-inf";
        }
        if (number == 0) {
            return 1 / number < 0 ? "-0.0" : "0.0";
        }
        var decimal = shortest(number);
        int exponent = decimal.precision() - decimal.scale() - 1;
        if (exponent >= -4 && exponent < 16) {
            var plain = decimal.toPlainString();
            return plain.indexOf('.') < 0 ? plain + ".0" : plain;
        }
        return exponential(decimal, exponent);
    }

    private static BigDecimal shortest(double number) {
        var decimal = new BigDecimal(Double.toString(number)).stripTrailingZeros();
        if (decimal.precision() != 2) {
            return decimal;
        }
        // Java writes at least two digits, even if one is enough: 4.9E-324 instead of 5e-324.
        var oneDigit = decimal.round(new MathContext(1, RoundingMode.HALF_EVEN));
        return oneDigit.doubleValue() == number ? oneDigit : decimal;
    }

    /// Writes a number other than 0 with an exponent of at least two digits.
    private static String exponential(BigDecimal decimal, int exponent) {
        var digits = decimal.unscaledValue().abs().toString();
        var fraction = digits.length() == 1 ? "" : "." + digits.substring(1);
        var magnitude = Math.abs(exponent);
        return (decimal.signum() < 0 ? "-" : "")
                + digits.charAt(0)
                + fraction
                + (exponent < 0 ? "e-" : "e+")
                + (magnitude < 10 ? "0" : "")
                + magnitude;
    }

    /// Python's `json.dumps`, which in transformers replaces jinja2's own `tojson`.
    ///
    /// @param indent the text that indents a level; null writes one line
    record Json(boolean asciiOnly, @Nullable String indent, String itemSeparator, String keySeparator, boolean sorted) {
        /// The filter `tojson(ensure_ascii=False, indent=None, separators=None, sort_keys=False)`.
        static String dumps(Budget budget, Object value, Bound arguments) {
            var indent = indent(budget, arguments.at(1));
            var itemSeparator = indent == null ? ", " : ",";
            var keySeparator = ": ";
            if (arguments.at(2) != None.NONE) {
                var separators = Values.items(budget, arguments.at(2));
                if (separators.size() != 2) {
                    throw new JinjaException("tojson needs two separators, not " + separators.size());
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
}
