package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Rendering.Budget;
import dev.llmworker.text.jinja.Values.DictView;
import dev.llmworker.text.jinja.Values.Range;
import dev.llmworker.text.jinja.Values.Tuple;
import dev.llmworker.text.jinja.Values.Undefined;
import java.math.BigDecimal;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/// Python's `==`, `<` and `in`.
final class Comparisons {
    private final Budget budget;

    Comparisons(Budget budget) {
        this.budget = budget;
    }

    boolean holds(Expression.Relation relation, Object left, Object right) {
        return switch (relation) {
            case EQUAL -> equal(left, right);
            case UNEQUAL -> !equal(left, right);
            case IN -> contains(right, left);
            case NOT_IN -> !contains(right, left);
            // No number is before or after NaN.
            case LESS -> compare(left, right, "<") < 0 && !isNan(left) && !isNan(right);
            case LESS_OR_EQUAL -> compare(left, right, "<=") <= 0 && !isNan(left) && !isNan(right);
            case GREATER -> compare(left, right, ">") > 0 && !isNan(left) && !isNan(right);
            case GREATER_OR_EQUAL -> compare(left, right, ">=") >= 0 && !isNan(left) && !isNan(right);
        };
    }

    boolean equal(Object left, Object right) {
        if (isNumber(left) && isNumber(right)) {
            return compareNumbers(left, right) == 0 && !isNan(left) && !isNan(right);
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
            case List<?> list -> right instanceof List<?> items && equalItems(list, items);
            case Tuple tuple -> right instanceof Tuple items && equalItems(tuple.items(), items.items());
            case Map<?, ?> map -> right instanceof Map<?, ?> entries && equalEntries(map, entries);
            case Range range -> right instanceof Range numbers && equalRanges(range, numbers);
            case Undefined _ -> right instanceof Undefined;
            default -> left == right;
        };
    }

    private static boolean equalRanges(Range left, Range right) {
        return left.length() == right.length()
                && (left.length() == 0 || left.start() == right.start())
                && (left.length() <= 1 || left.step() == right.step());
    }

    private boolean equalItems(List<?> left, List<?> right) {
        if (left.size() != right.size()) {
            return false;
        }
        budget.enter();
        boolean equal = true;
        for (int i = 0; equal && i < left.size(); i++) {
            budget.step();
            equal = equal(left.get(i), right.get(i));
        }
        budget.leave();
        return equal;
    }

    private boolean equalEntries(Map<?, ?> left, Map<?, ?> right) {
        if (left.size() != right.size()) {
            return false;
        }
        budget.enter();
        boolean equal = true;
        for (var entry : left.entrySet()) {
            budget.step();
            var other = right.get(entry.getKey());
            equal = equal && other != null && equal(entry.getValue(), other);
        }
        budget.leave();
        return equal;
    }

    boolean contains(Object container, Object value) {
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
            return map.containsKey(Values.key(value));
        }
        if (container instanceof DictView view && view.kind().equals("dict_keys")) {
            Values.key(value);
        }
        if (container instanceof Range range) {
            return isNumber(value) && inRange(range, value);
        }
        var items = Values.itemsOrNull(budget, container);
        if (items == null) {
            throw new JinjaException("argument of type '" + Values.typeName(container) + "' is not iterable");
        }
        for (var item : items) {
            if (equal(item, value)) {
                return true;
            }
        }
        return false;
    }

    private static boolean inRange(Range range, Object value) {
        if (value instanceof Double real && real != Math.rint(real)) {
            return false;
        }
        long number = value instanceof Double real ? real.longValue() : Values.index(value, "numbers");
        boolean within = range.step() > 0
                ? number >= range.start() && number < range.stop()
                : number <= range.start() && number > range.stop();
        return within && (number - range.start()) % range.step() == 0;
    }

    /// Returns a negative number if left is before right, 0 if they are equal, and a positive number if it is after.
    ///
    /// @param symbol the operator that the error names
    int compare(Object left, Object right, String symbol) {
        if (left instanceof Undefined undefined) {
            throw undefined.exception();
        }
        if (right instanceof Undefined undefined) {
            throw undefined.exception();
        }
        if (isNumber(left) && isNumber(right)) {
            return compareNumbers(left, right);
        }
        var text = Values.text(left);
        var other = Values.text(right);
        if (text != null && other != null) {
            budget.scan(Math.min(text.length(), other.length()));
            return PythonText.compare(text, other);
        }
        if (left instanceof List<?> list && right instanceof List<?> items) {
            return compareItems(list, items, symbol);
        }
        if (left instanceof Tuple tuple && right instanceof Tuple items) {
            return compareItems(tuple.items(), items.items(), symbol);
        }
        throw new JinjaException("'" + symbol + "' not supported between instances of '" + Values.typeName(left)
                + "' and '" + Values.typeName(right) + "'");
    }

    private int compareItems(List<?> left, List<?> right, String symbol) {
        budget.enter();
        int result = Integer.compare(left.size(), right.size());
        for (int i = 0; i < Math.min(left.size(), right.size()); i++) {
            budget.step();
            if (!equal(left.get(i), right.get(i))) {
                result = compare(left.get(i), right.get(i), symbol);
                break;
            }
        }
        budget.leave();
        return result;
    }

    /// The order for sorting. Each comparison counts as a step.
    Comparator<Object> order() {
        return (left, right) -> {
            budget.step();
            return compare(left, right, "<");
        };
    }

    static boolean isNumber(Object value) {
        return value instanceof Long || value instanceof Double || value instanceof Boolean;
    }

    private static boolean isNan(Object value) {
        return value instanceof Double number && number.isNaN();
    }

    private static int compareNumbers(Object left, Object right) {
        boolean exact = !(left instanceof Double) && !(right instanceof Double);
        if (exact) {
            return Long.compare(Values.index(left, "numbers"), Values.index(right, "numbers"));
        }
        double a = Arithmetic.toDouble(left);
        double b = Arithmetic.toDouble(right);
        if (Double.isNaN(a) || Double.isNaN(b) || Double.isInfinite(a) || Double.isInfinite(b) || a != b) {
            // Different doubles are different numbers. Above 2⁵³ equal doubles can be different integers. 0 equals -0.
            return a == b ? 0 : Double.compare(a, b);
        }
        return decimal(left).compareTo(decimal(right));
    }

    private static BigDecimal decimal(Object number) {
        return number instanceof Double real
                ? new BigDecimal(real)
                : BigDecimal.valueOf(Values.index(number, "numbers"));
    }
}
