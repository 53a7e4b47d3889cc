package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Budget.Text;
import dev.llmworker.text.jinja.Values.Loop;
import dev.llmworker.text.jinja.Values.Markup;
import dev.llmworker.text.jinja.Values.Namespace;
import dev.llmworker.text.jinja.Values.None;
import dev.llmworker.text.jinja.Values.Sequence;
import dev.llmworker.text.jinja.Values.Undefined;
import java.math.BigDecimal;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// How values are written: Python's `str()`, `repr()` and `json.dumps()`.
///
/// A value takes two small stack frames per level, so that nested values need no more stack than nested templates.
final class Printing {
    private static final HexFormat HEX = HexFormat.of();

    private final Budget budget;
    private final Text out;
    private final Style style;

    /// @param json whether to write JSON, not Python
    /// @param indent the text that indents a level; null writes one line
    private record Style(
            boolean json,
            boolean asciiOnly,
            @Nullable String indent,
            String itemSeparator,
            String keySeparator,
            boolean sorted) {
        static final Style PYTHON = new Style(false, false, null, ", ", ": ", false);
    }

    private Printing(Budget budget, Style style) {
        this.budget = budget;
        this.out = budget.text();
        this.style = style;
    }

    static String str(Budget budget, Object value) {
        return switch (value) {
            case String text -> text;
            case Markup markup -> markup.text();
            case Undefined _ -> "";
            default -> repr(budget, value);
        };
    }

    static String repr(Budget budget, Object value) {
        return new Printing(budget, Style.PYTHON).written(value);
    }

    /// The filter `tojson(ensure_ascii=False, indent=None, separators=None, sort_keys=False)`: Python's `json.dumps`,
    /// which in transformers replaces jinja2's own `tojson`.
    static String json(Budget budget, Object value, Arguments.Bound arguments) {
        var indent = arguments.at(1) == None.NONE ? null : indent(budget, arguments.at(1));
        var separators = List.<Object>of(indent == null ? ", " : ",", ": ");
        if (arguments.at(2) != None.NONE) {
            separators = Values.items(budget, arguments.at(2));
            if (separators.size() != 2) {
                throw new JinjaException("tojson needs two separators, not " + separators.size());
            }
        }
        var between = str(budget, separators.get(0));
        var afterKey = str(budget, separators.get(1));
        var style = new Style(true, arguments.isTrue(0), indent, between, afterKey, arguments.isTrue(3));
        return new Printing(budget, style).written(value);
    }

    /// The text that indents one level: a text, or a number of spaces.
    static String indent(Budget budget, Object indent) {
        var text = Values.text(indent);
        return text != null
                ? text
                : budget.text().repeat(" ", Values.index(indent, "indents")).toString();
    }

    private String written(Object value) {
        write(value, 0);
        return out.toString();
    }

    private void write(Object value, int level) {
        budget.enter();
        budget.step();
        boolean json = style.json();
        switch (value) {
            case Map<?, ?> map -> dict("{", map, "}", level);
            case Namespace namespace when !json -> dict("<Namespace {", namespace.attributes(), "}>", level);
            case Range range when !json -> out.append(range.toString());
            case List<?> list
            when json ? Operators.isListOrTuple(list) : Values.typeName(list).equals("list") ->
                items("[", list, "]", level);
            case Sequence tuple
            when !json && Values.isTuple(tuple) -> items("(", tuple, tuple.size() == 1 ? ",)" : ")", level);
            case Sequence view when !json -> items(view.kind() + "([", view, "])", level);
            default -> scalar(value);
        }
        budget.leave();
    }

    private void items(String open, List<?> items, String close, int level) {
        out.append(open);
        var separator = "";
        for (var item : items) {
            newLine(level + 1, separator);
            write(item, level + 1);
            separator = style.itemSeparator();
        }
        end(items.isEmpty(), level, close);
    }

    private void dict(String open, Map<?, ?> map, String close, int level) {
        out.append(open);
        var keys = new ArrayList<Object>(map.keySet());
        if (style.sorted()) {
            keys.sort(Operators.order(budget));
        }
        var separator = "";
        for (var key : keys) {
            newLine(level + 1, separator);
            key(key, level + 1);
            out.append(style.keySeparator());
            var value = map.get(key);
            write(value == null ? None.NONE : value, level + 1);
            separator = style.itemSeparator();
        }
        end(keys.isEmpty(), level, close);
    }

    private void end(boolean empty, int level, String close) {
        if (!empty) {
            newLine(level, "");
        }
        out.append(close);
    }

    private void key(Object key, int level) {
        if (!style.json()) {
            write(key, level);
        } else if (key instanceof String) {
            scalar(key);
        } else {
            out.append("\"");
            scalar(key);
            out.append("\"");
        }
    }

    private void newLine(int level, String separator) {
        out.append(separator);
        if (style.indent() != null) {
            out.append("\n").repeat(style.indent(), level);
        }
    }

    private void scalar(Object value) {
        switch (value) {
            case None _ -> out.append(style.json() ? "null" : "None");
            case Boolean bool -> out.append(style.json() ? (bool ? "true" : "false") : bool ? "True" : "False");
            case Long integer -> out.append(Long.toString(integer));
            case Double number -> out.append(style.json() ? jsonNumber(number) : number(number));
            case String text -> quote(text);
            case Markup markup when style.json() -> quote(markup.text());
            case Object other
            when style.json() ->
                throw new JinjaException("Object of type " + Values.typeName(other) + " is not JSON serializable");
            case Markup markup -> {
                out.append("Markup(");
                quote(markup.text());
                out.append(")");
            }
            case Loop loop -> out.append(loop.toString());
            case Macro macro -> {
                out.append("<Macro ");
                quote(macro.name());
                out.append(">");
            }
            case Undefined _ -> out.append("Undefined");
            default -> out.append("<" + Values.typeName(value) + ">");
        }
    }

    /// Writes a text in quotes. Python's are single quotes, or double quotes if only these need no escape.
    private void quote(String text) {
        boolean single = !style.json() && (text.indexOf('\'') < 0 || text.indexOf('"') >= 0);
        char quote = single ? '\'' : '"';
        out.append(Character.toString(quote));
        PythonText.escape(text, out, character -> escape(character, quote));
        out.append(Character.toString(quote));
    }

    private @Nullable String escape(int character, char quote) {
        int known = "\n\r\t\\\f\b".indexOf(character);
        if (character == quote || known >= 0 && known < (style.json() ? 6 : 4)) {
            return "\\" + (character == quote ? quote : "nrt\\fb".charAt(known));
        }
        if (style.json()) {
            boolean escaped = character < ' ' || style.asciiOnly() && character > '~';
            return escaped
                    ? Character.toString(character)
                            .chars()
                            .mapToObj(Printing::unit)
                            .collect(Collectors.joining())
                    : null;
        }
        if (isPrintable(character)) {
            return null;
        }
        return character <= 0xff
                ? "\\x" + HEX.toHexDigits((byte) character)
                : character <= 0xffff ? unit(character) : "\\U" + HEX.toHexDigits(character);
    }

    private static String unit(int character) {
        return "\\u" + HEX.toHexDigits((char) character);
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

    private static String jsonNumber(double number) {
        return Double.isNaN(number)
                ? "NaN"
                : Double.isInfinite(number) ? (number > 0 ? "Infinity" : "-Infinity") : number(number);
    }

    /// The shortest digits that identify the number. As in Python, numbers below 10⁻⁴ and from 10¹⁶ have an exponent.
    private static String number(double number) {
        if (Double.isNaN(number)) {
            return "nan";
        }
        if (Double.isInfinite(number)) {
            return number > 0 ? "inf" : "-inf";
        }
        if (number == 0) {
            return Double.toString(number);
        }
        var decimal = new BigDecimal(Double.toString(number)).stripTrailingZeros();
        // Java writes at least two digits, even if one is enough: 4.9E-324 instead of 5e-324.
        var oneDigit = decimal.round(new MathContext(1));
        decimal = oneDigit.doubleValue() == number ? oneDigit : decimal;
        int exponent = decimal.precision() - decimal.scale() - 1;
        if (exponent >= -4 && exponent < 16) {
            var plain = decimal.toPlainString();
            return plain.indexOf('.') < 0 ? plain + ".0" : plain;
        }
        int magnitude = Math.abs(exponent);
        return decimal.scaleByPowerOfTen(-exponent).toPlainString()
                + (exponent < 0 ? "e-" : "e+")
                + (magnitude < 10 ? "0" : "")
                + magnitude;
    }
}
