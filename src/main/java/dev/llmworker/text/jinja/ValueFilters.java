package dev.llmworker.text.jinja;

import java.math.BigDecimal;
import java.math.RoundingMode;
import org.jspecify.annotations.Nullable;

/// Filters on numbers, and those that take a value as it is.
final class ValueFilters {
    private ValueFilters() {}

    static void addTo(Filters.Table table) {
        table.add("default", "default_value? boolean?", (_, value, a) -> orDefault(value, a));
        table.add("d", "default_value? boolean?", (_, value, a) -> orDefault(value, a));
        table.add("length", "", (_, value, _) -> length(value));
        table.add("count", "", (_, value, _) -> length(value));
        table.add("int", "default? base?", (_, value, a) -> integer(value, a.at(0, 0L), a.integer(1, 10)));
        table.add("float", "default?", (_, value, a) -> {
            var number = real(value);
            return number == null ? a.at(0, 0.0) : number;
        });
        table.add("abs", "", (_, value, _) -> absolute(value));
        table.add(
                "round",
                "precision? method?",
                (r, value, a) ->
                        round(r, value, a.integer(0, 0), a.at(1) == None.NONE ? "common" : a.text(1, "round")));
        table.add("attr", "name", (r, value, a) -> {
            var name = a.text(0, "attr");
            var attribute = Subscripts.ownAttribute(r, value, name);
            return attribute != null ? attribute : Undefined.variable(name);
        });
    }

    private static Object orDefault(Object value, Bound arguments) {
        boolean replaced = value instanceof Undefined || arguments.isTrue(1) && !Values.isTrue(value);
        return replaced ? arguments.at(0, "") : value;
    }

    private static Object length(Object value) {
        var length = Values.length(value);
        if (length == null) {
            throw new JinjaException("object of type '" + Values.typeName(value) + "' has no len()");
        }
        return length;
    }

    private static Object integer(Object value, Object whenNone, long base) {
        var text = Values.text(value);
        if (text != null) {
            var integer = parsedInteger(text, (int) base);
            if (integer != null) {
                return integer;
            }
        } else if (value instanceof Long || value instanceof Boolean) {
            return Values.index(value, "numbers");
        }
        var number = real(value);
        boolean finite = number != null && !number.isNaN() && Math.abs(number) < Long.MAX_VALUE;
        return finite && number != null ? (Object) (long) (double) number : whenNone;
    }

    private static @Nullable Long parsedInteger(String text, int base) {
        var digits = PythonText.strip(text, null, true, true).replaceAll("(?<=[0-9a-zA-Z])_(?=[0-9a-zA-Z])", "");
        var prefix = switch (base) {
            case 16 -> "0[xX]";
            case 8 -> "0[oO]";
            case 2 -> "0[bB]";
            default -> "";
        };
        try {
            return digits.matches("[-+]?\\p{IsAlphabetic}*[\\p{IsDigit}\\p{IsAlphabetic}]*")
                    ? Long.valueOf(prefix.isEmpty() ? digits : digits.replaceFirst("^([-+]?)" + prefix, "$1"), base)
                    : null;
        } catch (NumberFormatException e) {
            return null;
        }
    }

    /// What `float()` gives; null where it fails.
    private static @Nullable Double real(Object value) {
        return switch (value) {
            case Double number -> number;
            case Long _, Boolean _ -> Arithmetic.toDouble(value);
            case String text -> parsedReal(text);
            case Markup markup -> parsedReal(markup.text());
            case Undefined undefined -> throw undefined.exception();
            default -> null;
        };
    }

    private static @Nullable Double parsedReal(String text) {
        var digits = Casing.lower(PythonText.strip(text, null, true, true)).replaceAll("(?<=\\d)_(?=\\d)", "");
        if (digits.matches("[-+]?(\\d+\\.?\\d*|\\.\\d+)(e[-+]?\\d+)?")) {
            return Double.valueOf(digits);
        }
        return switch (digits) {
            case "inf", "+inf", "infinity", "+infinity" -> Double.POSITIVE_INFINITY;
            case "-inf", "-infinity" -> Double.NEGATIVE_INFINITY;
            case "nan", "+nan", "-nan" -> Double.NaN;
            default -> null;
        };
    }

    private static Object absolute(Object value) {
        return switch (value) {
            case Double number -> Math.abs(number);
            case Long _, Boolean _ ->
                Values.index(value, "numbers") < 0 ? Arithmetic.negated(value) : Arithmetic.positive(value);
            case Undefined undefined -> throw undefined.exception();
            default -> throw new JinjaException("bad operand type for abs(): '" + Values.typeName(value) + "'");
        };
    }

    private static Object round(Rendering rendering, Object value, long precision, String method) {
        if (value instanceof Undefined undefined) {
            throw undefined.exception();
        }
        if (!Comparisons.isNumber(value)) {
            throw new JinjaException("type " + Values.typeName(value) + " doesn't define __round__ method");
        }
        if (Math.abs(precision) > FormatSpec.MAX_PRECISION) {
            throw new JinjaException(
                    "a precision of " + precision + " digits; the limit is " + FormatSpec.MAX_PRECISION);
        }
        if (method.equals("common")) {
            return rounded(value, (int) precision);
        }
        var scale = Arithmetic.apply(rendering, Arithmetic.Operator.POWER, 10L, precision);
        double scaled = Arithmetic.toDouble(Arithmetic.apply(rendering, Arithmetic.Operator.MULTIPLY, value, scale));
        double whole = switch (method) {
            case "ceil" -> Math.ceil(scaled);
            case "floor" -> Math.floor(scaled);
            default -> throw new JinjaException("method must be common, ceil or floor");
        };
        return Arithmetic.apply(rendering, Arithmetic.Operator.DIVIDE, whole, scale);
    }

    private static Object rounded(Object value, int precision) {
        if (value instanceof Double number) {
            if (number.isNaN() || number.isInfinite()) {
                return number;
            }
            var rounded = new BigDecimal(number).setScale(precision, RoundingMode.HALF_EVEN);
            // A decimal has no negative zero.
            return Math.copySign(rounded.doubleValue(), number);
        }
        long integer = Values.index(value, "numbers");
        return precision >= 0
                ? (Object) integer
                : BigDecimal.valueOf(integer)
                        .setScale(precision, RoundingMode.HALF_EVEN)
                        .longValue();
    }
}
