package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Values.Markup;
import dev.llmworker.text.jinja.Values.Tuple;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Formatting by `'…' % values`, as C's printf.
final class Percent {
    private static final Pattern CONVERSION = Pattern.compile(
            "%(?:\\((?<key>[^)]*)\\))?(?<flags>[-+ #0]*)(?<width>\\*|\\d{1,9})?(?:\\.(?<precision>\\*|\\d{0,9}))?[hlL]?(?<type>.)",
            Pattern.DOTALL);

    private final Rendering rendering;
    private final Object source;
    private final List<Object> values;
    private int used;

    private Percent(Rendering rendering, Object source) {
        this.rendering = rendering;
        this.source = source;
        this.values = source instanceof Tuple tuple ? tuple.items() : List.of(source);
    }

    static Object format(Rendering rendering, Object format, Object values) {
        var text = Values.text(format);
        var formatted = new Percent(rendering, values).format(text == null ? "" : text);
        return format instanceof Markup ? new Markup(formatted) : formatted;
    }

    private String format(String format) {
        var out = rendering.budget().text();
        var conversion = CONVERSION.matcher(format);
        int copied = 0;
        for (int at = format.indexOf('%'); at >= 0; at = format.indexOf('%', copied)) {
            rendering.budget().step();
            if (!conversion.region(at, format.length()).lookingAt()) {
                throw new JinjaException("incomplete format");
            }
            out.append(format, copied, at).append(converted(conversion));
            copied = conversion.end();
        }
        boolean collection = source instanceof Map || source instanceof List;
        if (used < values.size() && !collection) {
            throw new JinjaException("not all arguments converted during string formatting");
        }
        return out.append(format, copied, format.length()).toString();
    }

    private String converted(Matcher conversion) {
        char type = conversion.group("type").charAt(0);
        if (type == '%') {
            return "%";
        }
        long width = number(conversion.group("width"), 0);
        var digits = conversion.group("precision");
        int precision = FormatSpec.precision(number(digits != null && digits.isEmpty() ? "0" : digits, -1));
        var value = value(conversion.group("key"));
        var flags = conversion.group("flags");
        char sign = flags.contains("+") ? '+' : flags.contains(" ") ? ' ' : '-';
        boolean numeric = "diuoxXeEfFgG".indexOf(type) >= 0;
        boolean zero = flags.contains("0") && !flags.contains("-") && numeric;
        char align = flags.contains("-") ? '<' : zero ? '=' : '>';
        boolean alternate = flags.contains("#");
        return switch (type) {
            case 's' -> aligned(rendering.str(value), width, precision, align);
            case 'r', 'a' -> aligned(Printing.repr(rendering.budget(), value), width, precision, align);
            case 'c' -> aligned(character(value), width, -1, align);
            case 'd', 'i', 'u', 'o', 'x', 'X' -> {
                char radix = type == 'i' || type == 'u' ? 'd' : type;
                yield new FormatSpec(zero ? "0" : " ", align, sign, alternate, width, (char) 0, -1, radix)
                        .format(rendering, integer(value, radix == 'd'));
            }
            case 'e', 'E', 'f', 'F', 'g', 'G' ->
                new FormatSpec(zero ? "0" : " ", align, sign, alternate, width, (char) 0, precision, type)
                        .format(rendering, real(value));
            default -> throw new JinjaException("unsupported format character '" + type + "'");
        };
    }

    private String aligned(String text, long width, int precision, char align) {
        return new FormatSpec(" ", align == '=' ? '>' : align, '-', false, width, (char) 0, precision, 's')
                .format(rendering, text);
    }

    private long number(@Nullable String digits, long whenLeftOut) {
        if (digits == null) {
            return whenLeftOut;
        }
        return digits.equals("*") ? Values.index(next(), "* wants int; widths") : Long.parseLong(digits);
    }

    private Object value(@Nullable String key) {
        if (key == null) {
            return next();
        }
        if (!(source instanceof Map<?, ?> map)) {
            throw new JinjaException("format requires a mapping");
        }
        var value = map.get(key);
        if (value == null) {
            throw new JinjaException("the mapping has no key '" + key + "'");
        }
        return value;
    }

    private Object next() {
        if (used == values.size()) {
            throw new JinjaException("not enough arguments for format string");
        }
        return values.get(used++);
    }

    private String character(Object value) {
        var text = Values.text(value);
        if (text == null) {
            return new FormatSpec(" ", '<', '-', false, 0, (char) 0, -1, 'c')
                    .format(rendering, Values.index(value, "%c arguments"));
        }
        if (PythonText.length(text) != 1) {
            throw new JinjaException("%c requires int or char");
        }
        return text;
    }

    private static Object integer(Object value, boolean truncates) {
        if (value instanceof Double number && truncates && Math.abs(number) < Long.MAX_VALUE) {
            return (long) (double) number;
        }
        return Values.index(value, "values of this format");
    }

    private static Object real(Object value) {
        return value instanceof Double ? value : (Object) (double) Values.index(value, "values of this format");
    }
}
