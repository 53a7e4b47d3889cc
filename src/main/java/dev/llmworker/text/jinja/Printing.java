package dev.llmworker.text.jinja;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.List;
import java.util.Map;

/// Python's `str()` and `repr()`.
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

    /// Printing goes down through two small frames a level: nested values must not need more stack than templates.
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

    /// A text in the quotes that need fewer escapes, single ones if none does.
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

    static boolean isPrintable(int character) {
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

    /// The shortest digits that give the number back, in Python's notation: an exponent below 10⁻⁴ and from 10¹⁶.
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
        // Java writes two digits at least, also where one would do: 4.9E-324 for 5e-324.
        var oneDigit = decimal.round(new MathContext(1, RoundingMode.HALF_EVEN));
        return oneDigit.doubleValue() == number ? oneDigit : decimal;
    }

    /// Digits of a number that is not 0 with an exponent of at least two digits.
    static String exponential(BigDecimal decimal, int exponent) {
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
}
