package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Values.Markup;
import dev.llmworker.text.jinja.Values.None;
import java.math.BigDecimal;
import java.util.regex.Pattern;

/// How a value is written within a format: the part after the colon in `'{:>8.2f}'`, or what `%8.2f` says.
///
/// @param align `<`, `>`, `^`, `=`, or 0 for what is usual for the value
/// @param sign `+`, `-` or a space
/// @param width characters, 0 for as many as it takes
/// @param grouping `,` or `_`, or 0 for none
/// @param precision -1 for none
/// @param type the letter at the end, or 0
record FormatSpec(
        String fill, char align, char sign, boolean alternate, long width, char grouping, int precision, char type) {
    static final int MAX_PRECISION = 100;

    private static final Pattern SYNTAX = Pattern.compile(
            "(?:(?<fill>.)?(?<align>[<>=^]))?(?<sign>[-+ ])?(?<alternate>#)?(?<zero>0)?(?<width>\\d{1,9})?"
                    + "(?<grouping>[,_])?(?:\\.(?<precision>\\d{1,9}))?(?<type>[a-zA-Z%])?",
            Pattern.DOTALL);

    static FormatSpec parse(String spec) {
        var match = SYNTAX.matcher(spec);
        if (!match.matches()) {
            throw new JinjaException("Invalid format specifier '" + spec + "'");
        }
        boolean zero = match.group("zero") != null;
        var align = match.group("align");
        var fill = match.group("fill");
        return new FormatSpec(
                fill != null ? fill : zero && align == null ? "0" : " ",
                align != null ? align.charAt(0) : zero ? '=' : 0,
                letter(match.group("sign"), '-'),
                match.group("alternate") != null,
                match.group("width") == null ? 0 : Long.parseLong(match.group("width")),
                letter(match.group("grouping"), (char) 0),
                match.group("precision") == null ? -1 : precision(Long.parseLong(match.group("precision"))),
                letter(match.group("type"), (char) 0));
    }

    private static char letter(String group, char whenLeftOut) {
        return group == null ? whenLeftOut : group.charAt(0);
    }

    static int precision(long precision) {
        if (precision > MAX_PRECISION) {
            throw new JinjaException("a precision of " + precision + " digits; the limit is " + MAX_PRECISION);
        }
        return (int) precision;
    }

    String format(Rendering rendering, Object value) {
        boolean plain = equals(parse(""));
        return switch (value) {
            case String text -> text(rendering, text);
            case Markup markup -> text(rendering, markup.text());
            case Long integer -> integer(rendering, integer);
            case Boolean bool when !plain -> integer(rendering, bool ? 1 : 0);
            case Double number -> real(rendering, number);
            default -> {
                if (!plain) {
                    throw new JinjaException(
                            "unsupported format string passed to " + Values.typeName(value) + ".__format__");
                }
                yield rendering.str(value);
            }
        };
    }

    private String text(Rendering rendering, String text) {
        if (type != 0 && type != 's' || align == '=' && !fill.equals("0")) {
            throw new JinjaException("a str cannot be formatted as a number");
        }
        var shown = precision < 0
                ? text
                : PythonText.slice(rendering.budget(), text, None.NONE, (long) precision, None.NONE);
        return Padding.pad(rendering.budget(), shown, width, fill, align == 0 || align == '=' ? '<' : align);
    }

    private String integer(Rendering rendering, long value) {
        return switch (type) {
            case 0, 'd', 'n' ->
                number(rendering, value < 0, "", Long.toString(value).replace("-", ""), 3);
            case 'b' -> number(rendering, value < 0, "0b", unsigned(value, 2), 4);
            case 'o' -> number(rendering, value < 0, "0o", unsigned(value, 8), 4);
            case 'x' -> number(rendering, value < 0, "0x", unsigned(value, 16), 4);
            case 'X' -> number(rendering, value < 0, "0X", PythonText.upper(unsigned(value, 16)), 4);
            case 'c' -> {
                if (value < 0 || value > Character.MAX_CODE_POINT) {
                    throw new JinjaException("%c arg not in range(0x110000)");
                }
                yield Padding.pad(
                        rendering.budget(), Character.toString((int) value), width, fill, align == 0 ? '<' : align);
            }
            default -> real(rendering, value);
        };
    }

    private static String unsigned(long value, int radix) {
        return Long.toString(value, radix).replace("-", "");
    }

    private String real(Rendering rendering, double value) {
        boolean negative = value < 0 || 1 / value < 0;
        double magnitude = Math.abs(value);
        var digits = Double.isNaN(value) || Double.isInfinite(value)
                ? Printing.number(magnitude) + (type == '%' ? "%" : "")
                : digits(magnitude);
        boolean capital = type == 'E' || type == 'F' || type == 'G';
        return number(rendering, negative, "", capital ? PythonText.upper(digits) : digits, 3);
    }

    private String digits(double magnitude) {
        int places = precision < 0 ? 6 : precision;
        var exact = new BigDecimal(magnitude);
        return switch (type) {
            case 'f', 'F' -> RealDigits.fixed(exact, places);
            case '%' -> RealDigits.fixed(new BigDecimal(magnitude * 100), places) + "%";
            case 'e', 'E' -> RealDigits.exponential(exact, places);
            case 'g', 'G', 'n' -> RealDigits.general(exact, places, alternate);
            case 0 -> {
                if (precision < 0) {
                    yield Printing.number(magnitude);
                }
                var general = RealDigits.general(exact, places, false);
                yield general.matches("\\d+") ? general + ".0" : general;
            }
            default -> throw new JinjaException("Unknown format code '" + type + "' for object of type 'float'");
        };
    }

    /// Puts sign, prefix and grouping around digits, and fills up to the width.
    private String number(Rendering rendering, boolean negative, String radixPrefix, String digits, int groupLength) {
        var lead = (negative ? "-" : sign == '-' ? "" : Character.toString(sign)) + (alternate ? radixPrefix : "");
        var body = grouping == 0 ? digits : grouped(digits, groupLength);
        if (align == '=') {
            return lead + Padding.pad(rendering.budget(), body, Math.max(0, width - lead.length()), fill, '>');
        }
        return Padding.pad(rendering.budget(), lead + body, width, fill, align == 0 ? '>' : align);
    }

    private String grouped(String digits, int groupLength) {
        int end = 0;
        while (end < digits.length() && Character.digit(digits.charAt(end), 16) >= 0 && digits.charAt(end) != 'e') {
            end++;
        }
        var grouped = new StringBuilder(digits);
        for (int at = end - groupLength; at > 0; at -= groupLength) {
            grouped.insert(at, grouping);
        }
        return grouped.toString();
    }
}
