package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Rendering.Budget;
import dev.llmworker.text.jinja.Values.Markup;
import dev.llmworker.text.jinja.Values.Tuple;
import dev.llmworker.text.jinja.Values.Undefined;
import java.util.ArrayList;
import java.util.List;

/// Python's arithmetic on 64-bit integers, floats, texts, lists and tuples.
final class Arithmetic {
    enum Operator {
        ADD("+"),
        SUBTRACT("-"),
        MULTIPLY("*"),
        DIVIDE("/"),
        FLOOR_DIVIDE("//"),
        MODULO("%"),
        POWER("**");

        private final String symbol;

        Operator(String symbol) {
            this.symbol = symbol;
        }

        static Operator of(String symbol) {
            for (var operator : values()) {
                if (operator.symbol.equals(symbol)) {
                    return operator;
                }
            }
            throw new IllegalArgumentException(symbol);
        }
    }

    private Arithmetic() {}

    static Object apply(Rendering rendering, Operator operator, Object left, Object right) {
        if (operator == Operator.MODULO && Values.text(left) != null) {
            throw new JinjaException("formatting a str with % is not supported");
        }
        var budget = rendering.budget();
        if (left instanceof Undefined undefined) {
            throw undefined.exception();
        }
        if (right instanceof Undefined undefined) {
            throw undefined.exception();
        }
        if (Comparisons.isNumber(left) && Comparisons.isNumber(right)) {
            boolean floating = left instanceof Double || right instanceof Double;
            return floating
                    ? floating(operator, toDouble(left), toDouble(right))
                    : integral(operator, Values.index(left, "numbers"), Values.index(right, "numbers"));
        }
        return switch (operator) {
            case ADD -> sum(budget, left, right);
            case MULTIPLY ->
                right instanceof Long || right instanceof Boolean
                        ? repeated(budget, left, right)
                        : repeated(budget, right, left);
            default -> throw unsupported(operator, left, right);
        };
    }

    private static JinjaException unsupported(Operator operator, Object left, Object right) {
        return new JinjaException("unsupported operand type(s) for " + operator.symbol + ": '" + Values.typeName(left)
                + "' and '" + Values.typeName(right) + "'");
    }

    private static Object integral(Operator operator, long left, long right) {
        try {
            return switch (operator) {
                case ADD -> Math.addExact(left, right);
                case SUBTRACT -> Math.subtractExact(left, right);
                case MULTIPLY -> Math.multiplyExact(left, right);
                case DIVIDE -> (double) left / nonZero(right);
                case FLOOR_DIVIDE -> Math.floorDiv(left, nonZero(right));
                case MODULO -> Math.floorMod(left, nonZero(right));
                case POWER -> right < 0 ? floating(operator, left, right) : (Object) power(left, right);
            };
        } catch (ArithmeticException e) {
            throw new JinjaException(left + " " + operator.symbol + " " + right + " does not fit in 64 bits");
        }
    }

    private static long nonZero(long divisor) {
        if (divisor == 0) {
            throw new JinjaException("division by zero");
        }
        return divisor;
    }

    private static long power(long base, long exponent) {
        if (base == 0 || base == 1) {
            return exponent == 0 ? 1 : base;
        }
        if (base == -1) {
            return exponent % 2 == 0 ? 1 : -1;
        }
        long power = 1;
        // Any other base overflows within 63 rounds.
        for (long i = 0; i < exponent; i++) {
            power = Math.multiplyExact(power, base);
        }
        return power;
    }

    private static Object floating(Operator operator, double left, double right) {
        boolean divides =
                operator == Operator.DIVIDE || operator == Operator.FLOOR_DIVIDE || operator == Operator.MODULO;
        if (right == 0 && divides) {
            throw new JinjaException("float division by zero");
        }
        return switch (operator) {
            case ADD -> left + right;
            case SUBTRACT -> left - right;
            case MULTIPLY -> left * right;
            case DIVIDE -> left / right;
            case FLOOR_DIVIDE -> floorDivided(left, right);
            case MODULO -> modulo(left, right);
            case POWER -> power(left, right);
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

    private static double power(double base, double exponent) {
        if (base == 0 && exponent < 0) {
            throw new JinjaException("0.0 cannot be raised to a negative power");
        }
        double power = Math.pow(base, exponent);
        if (Double.isInfinite(power) && !Double.isInfinite(base) && !Double.isInfinite(exponent)) {
            throw new JinjaException(base + " ** " + exponent + " is too large for a float");
        }
        if (Double.isNaN(power) && !Double.isNaN(base) && !Double.isNaN(exponent)) {
            throw new JinjaException(base + " ** " + exponent + " is not a real number");
        }
        return power;
    }

    static double toDouble(Object number) {
        return number instanceof Double real ? real : (double) Values.index(number, "numbers");
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
        if (left instanceof List<?> list && right instanceof List<?> more) {
            return joined(budget, list, more);
        }
        if (left instanceof Tuple tuple && right instanceof Tuple more) {
            return new Tuple(joined(budget, tuple.items(), more.items()));
        }
        if (text != null) {
            throw new JinjaException("can only concatenate str (not \"" + Values.typeName(right) + "\") to str");
        }
        throw unsupported(Operator.ADD, left, right);
    }

    private static List<Object> joined(Budget budget, List<?> left, List<?> right) {
        budget.steps((long) left.size() + right.size());
        var joined = new ArrayList<Object>(left.size() + right.size());
        joined.addAll(left);
        joined.addAll(right);
        return joined;
    }

    private static Object repeated(Budget budget, Object sequence, Object times) {
        if (!(times instanceof Long || times instanceof Boolean)) {
            throw unsupported(Operator.MULTIPLY, sequence, times);
        }
        long count = Values.index(times, "repetitions");
        return switch (sequence) {
            case String text -> budget.text().repeat(text, count).toString();
            case Markup markup ->
                new Markup(budget.text().repeat(markup.text(), count).toString());
            case List<?> list -> repeatedItems(budget, list, count);
            case Tuple tuple -> new Tuple(repeatedItems(budget, tuple.items(), count));
            default -> throw unsupported(Operator.MULTIPLY, sequence, times);
        };
    }

    private static List<Object> repeatedItems(Budget budget, List<?> items, long count) {
        var repeated = new ArrayList<Object>();
        for (long i = 0; i < count && !items.isEmpty(); i++) {
            budget.steps(items.size());
            repeated.addAll(items);
        }
        return repeated;
    }

    static Object negated(Object value) {
        return switch (value) {
            case Double number -> -number;
            case Long _, Boolean _ -> integral(Operator.SUBTRACT, 0, Values.index(value, "numbers"));
            case Undefined undefined -> throw undefined.exception();
            default -> throw new JinjaException("bad operand type for unary -: '" + Values.typeName(value) + "'");
        };
    }

    static Object positive(Object value) {
        return switch (value) {
            case Double number -> number;
            case Long _, Boolean _ -> Values.index(value, "numbers");
            case Undefined undefined -> throw undefined.exception();
            default -> throw new JinjaException("bad operand type for unary +: '" + Values.typeName(value) + "'");
        };
    }
}
