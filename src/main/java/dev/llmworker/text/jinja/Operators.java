package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Values.Markup;
import dev.llmworker.text.jinja.Values.Sequence;
import dev.llmworker.text.jinja.Values.Undefined;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/// Python's operators on 64-bit integers, floats, texts, lists and tuples.
final class Operators {
    private Operators() {}

    /// @param operator `+`, `-`, `*`, `/`, `//` or `%`
    static Object calculate(Budget budget, String operator, Object left, Object right) {
        if (operator.equals("%") && Values.text(left) != null) {
            throw new JinjaException("formatting a str with % is not supported");
        }
        var number = Values.number(Values.defined(left));
        var other = Values.number(Values.defined(right));
        if (number != null && other != null) {
            return number instanceof Long a && other instanceof Long b
                    ? integral(operator, a, b)
                    : floating(operator, number.doubleValue(), other.doubleValue());
        }
        return switch (operator) {
            case "+" -> sum(budget, left, right);
            case "*" -> other instanceof Long ? repeated(budget, left, right) : repeated(budget, right, left);
            default -> throw unsupported(operator, left, right);
        };
    }

    private static JinjaException unsupported(String operator, Object left, Object right) {
        return new JinjaException("unsupported operand type(s) for " + operator + ": '" + Values.typeName(left)
                + "' and '" + Values.typeName(right) + "'");
    }

    /// @param sign `+` or `-`
    static Object signed(String sign, Object value) {
        return switch (Values.number(Values.defined(value))) {
            case Double number -> sign.equals("-") ? -number : number;
            case Long integer -> integral(sign, 0, integer);
            case null, default ->
                throw new JinjaException("bad operand type for unary " + sign + ": '" + Values.typeName(value) + "'");
        };
    }

    private static Object integral(String operator, long left, long right) {
        if (right == 0 && (operator.startsWith("/") || operator.equals("%"))) {
            throw new JinjaException("division by zero");
        }
        try {
            return switch (operator) {
                case "+" -> Math.addExact(left, right);
                case "-" -> Math.subtractExact(left, right);
                case "*" -> Math.multiplyExact(left, right);
                case "/" -> (double) left / right;
                case "//" -> Math.floorDiv(left, right);
                default -> Math.floorMod(left, right);
            };
        } catch (ArithmeticException e) {
            throw new JinjaException(left + " " + operator + " " + right + " does not fit in 64 bits");
        }
    }

    private static Object floating(String operator, double left, double right) {
        if (right == 0 && (operator.startsWith("/") || operator.equals("%"))) {
            throw new JinjaException("float division by zero");
        }
        return switch (operator) {
            case "+" -> left + right;
            case "-" -> left - right;
            case "*" -> left * right;
            case "/" -> left / right;
            case "//" -> floorDivided(left, right);
            default -> modulo(left, right);
        };
    }

    private static double floorDivided(double left, double right) {
        double quotient = (left - modulo(left, right)) / right;
        // Only rounding keeps the quotient from being whole. A zero takes the sign of the exact quotient.
        return quotient == 0 ? Math.copySign(0.0, left / right) : Math.rint(quotient);
    }

    private static double modulo(double left, double right) {
        double remainder = left % right;
        if (remainder == 0) {
            return Math.copySign(0.0, right);
        }
        return remainder < 0 != right < 0 ? remainder + right : remainder;
    }

    private static Object sum(Budget budget, Object left, Object right) {
        var text = Values.text(left);
        var other = Values.text(right);
        if (text != null && other != null) {
            if (left instanceof Markup || right instanceof Markup) {
                text = Markup.escaped(budget, left).text();
                other = Markup.escaped(budget, right).text();
                return new Markup(budget.text().append(text).append(other).toString());
            }
            budget.fits((long) text.length() + other.length());
            budget.characters(text.length() + other.length());
            return text.concat(other);
        }
        if (left instanceof List<?> list && right instanceof List<?> more && areAlike(list, more)) {
            var joined = new ArrayList<Object>(list);
            joined.addAll(more);
            budget.steps(joined.size());
            return like(list, joined);
        }
        if (text != null) {
            throw new JinjaException("can only concatenate str (not \"" + Values.typeName(right) + "\") to str");
        }
        throw unsupported("+", left, right);
    }

    /// Whether both are lists, or both are tuples.
    private static boolean areAlike(List<?> left, List<?> right) {
        return isListOrTuple(left) && isListOrTuple(right) && Values.isTuple(left) == Values.isTuple(right);
    }

    static boolean isListOrTuple(Object value) {
        return Values.isTuple(value) || value instanceof List && !(value instanceof Sequence || value instanceof Range);
    }

    /// The items as a tuple or list, like the value that they come from.
    static List<Object> like(List<?> owner, List<Object> items) {
        return Values.isTuple(owner) ? new Sequence("tuple", items) : items;
    }

    private static Object repeated(Budget budget, Object sequence, Object times) {
        if (!(Values.number(times) instanceof Long count)) {
            throw unsupported("*", sequence, times);
        }
        var text = Values.text(sequence);
        if (text != null) {
            return Markup.like(sequence, budget.text().repeat(text, count).toString());
        }
        if (!(sequence instanceof List<?> list && isListOrTuple(list))) {
            throw unsupported("*", sequence, times);
        }
        var repeated = new ArrayList<Object>();
        for (long i = 0; i < count && !list.isEmpty(); i++) {
            budget.steps(list.size());
            repeated.addAll(list);
        }
        return like(list, repeated);
    }

    /// @param relation `==`, `!=`, `<`, `<=`, `>`, `>=`, `in` or `not in`
    static boolean holds(Budget budget, String relation, Object left, Object right) {
        return switch (relation) {
            case "==" -> equal(budget, left, right);
            case "!=" -> !equal(budget, left, right);
            case "in" -> contains(budget, right, left);
            case "not in" -> !contains(budget, right, left);
            default -> {
                int order = compare(budget, left, right, relation);
                // No number is before or after NaN.
                yield !isNan(left)
                        && !isNan(right)
                        && switch (relation) {
                            case "<" -> order < 0;
                            case "<=" -> order <= 0;
                            case ">" -> order > 0;
                            default -> order >= 0;
                        };
            }
        };
    }

    static boolean equal(Budget budget, Object left, Object right) {
        var number = Values.number(left);
        var otherNumber = Values.number(right);
        if (number != null && otherNumber != null) {
            return compare(number, otherNumber) == 0 && !isNan(left) && !isNan(right);
        }
        var text = Values.text(left);
        var other = Values.text(right);
        if (text != null && other != null) {
            if (text.length() == other.length()) {
                budget.scan(text.length());
            }
            return text.equals(other);
        }
        return switch (left) {
            case Range range -> right instanceof Range numbers && equalItems(budget, range, numbers);
            case List<?> list
            when isListOrTuple(list) ->
                right instanceof List<?> items && areAlike(list, items) && equalItems(budget, list, items);
            case Map<?, ?> map -> right instanceof Map<?, ?> entries && equalEntries(budget, map, entries);
            case Undefined _ -> right instanceof Undefined;
            default -> left == right;
        };
    }

    private static boolean equalItems(Budget budget, List<?> left, List<?> right) {
        if (left.size() != right.size()) {
            return false;
        }
        budget.enter();
        boolean equal = true;
        for (int i = 0; equal && i < left.size(); i++) {
            budget.step();
            equal = equal(budget, left.get(i), right.get(i));
        }
        budget.leave();
        return equal;
    }

    private static boolean equalEntries(Budget budget, Map<?, ?> left, Map<?, ?> right) {
        if (left.size() != right.size()) {
            return false;
        }
        budget.enter();
        boolean equal = true;
        for (var entry : left.entrySet()) {
            budget.step();
            var other = right.get(entry.getKey());
            equal = equal && other != null && equal(budget, entry.getValue(), other);
        }
        budget.leave();
        return equal;
    }

    static boolean contains(Budget budget, Object container, Object value) {
        var text = Values.text(container);
        if (text != null) {
            var part = Values.text(value);
            if (part == null) {
                throw new JinjaException(
                        "'in <string>' requires string as left operand, not " + Values.typeName(value));
            }
            budget.characters(text.length());
            return PythonText.find(text, part, 0) >= 0;
        }
        if (container instanceof Map<?, ?> map) {
            return map.containsKey(Values.key(budget, value));
        }
        if (container instanceof Range range) {
            var number = Values.number(value);
            return number != null && range.has(number);
        }
        if (container instanceof Sequence view && view.kind().equals("dict_keys")) {
            Values.key(budget, value);
        }
        return Values.items(budget, container).stream().anyMatch(item -> equal(budget, item, value));
    }

    /// Returns a negative number if left is before right, 0 if they are equal, and a positive number if it is after.
    ///
    /// @param symbol the operator that the error names
    static int compare(Budget budget, Object left, Object right, String symbol) {
        var number = Values.number(Values.defined(left));
        var otherNumber = Values.number(Values.defined(right));
        if (number != null && otherNumber != null) {
            return compare(number, otherNumber);
        }
        var text = Values.text(left);
        var other = Values.text(right);
        if (text != null && other != null) {
            budget.scan(Math.min(text.length(), other.length()));
            return PythonText.compare(text, other);
        }
        if (left instanceof List<?> list && right instanceof List<?> items && areAlike(list, items)) {
            return compareItems(budget, list, items, symbol);
        }
        throw new JinjaException("'" + symbol + "' not supported between instances of '" + Values.typeName(left)
                + "' and '" + Values.typeName(right) + "'");
    }

    private static int compareItems(Budget budget, List<?> left, List<?> right, String symbol) {
        budget.enter();
        int result = Integer.compare(left.size(), right.size());
        for (int i = 0; i < Math.min(left.size(), right.size()); i++) {
            budget.step();
            if (!equal(budget, left.get(i), right.get(i))) {
                result = compare(budget, left.get(i), right.get(i), symbol);
                break;
            }
        }
        budget.leave();
        return result;
    }

    /// The order for sorting. Each comparison counts as a step.
    static Comparator<Object> order(Budget budget) {
        return (left, right) -> {
            budget.step();
            return compare(budget, left, right, "<");
        };
    }

    private static boolean isNan(Object value) {
        return value instanceof Double number && number.isNaN();
    }

    private static int compare(Number left, Number right) {
        if (left instanceof Long a && right instanceof Long b) {
            return a.compareTo(b);
        }
        double a = left.doubleValue();
        double b = right.doubleValue();
        if (a != b || Double.isInfinite(a)) {
            return a == b ? 0 : Double.compare(a, b);
        }
        // Above 2⁵³ equal doubles can be different integers.
        return decimal(left).compareTo(decimal(right));
    }

    private static BigDecimal decimal(Number number) {
        return number instanceof Double real ? new BigDecimal(real) : BigDecimal.valueOf(number.longValue());
    }
}
