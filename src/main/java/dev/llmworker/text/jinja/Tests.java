package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Arguments.Signature;
import dev.llmworker.text.jinja.Expression.Relation;
import dev.llmworker.text.jinja.Interpreter.Loop;
import dev.llmworker.text.jinja.Values.DictView;
import dev.llmworker.text.jinja.Values.Generated;
import dev.llmworker.text.jinja.Values.Invocable;
import dev.llmworker.text.jinja.Values.Markup;
import dev.llmworker.text.jinja.Values.None;
import dev.llmworker.text.jinja.Values.Range;
import dev.llmworker.text.jinja.Values.Tuple;
import dev.llmworker.text.jinja.Values.Undefined;
import java.util.List;
import java.util.Map;

/// What may stand after `is`.
final class Tests {
    private static final Signature NOTHING = Signature.EMPTY;
    private static final Signature ONE = Signature.of("other");

    private Tests() {}

    static boolean isTest(String name) {
        return switch (name) {
            case "defined",
                    "undefined",
                    "none",
                    "boolean",
                    "true",
                    "false",
                    "integer",
                    "float",
                    "number",
                    "string",
                    "mapping",
                    "sequence",
                    "iterable",
                    "callable",
                    "escaped",
                    "odd",
                    "even",
                    "lower",
                    "upper",
                    "filter",
                    "test",
                    "divisibleby",
                    "in",
                    "sameas",
                    "==",
                    "eq",
                    "equalto",
                    "!=",
                    "ne",
                    "<",
                    "lt",
                    "lessthan",
                    "<=",
                    "le",
                    ">",
                    "gt",
                    "greaterthan",
                    ">=",
                    "ge" -> true;
            default -> false;
        };
    }

    static boolean holds(Rendering rendering, String name, Object value, Arguments arguments) {
        if (!isTest(name)) {
            throw new JinjaException("No test named '" + name + "'");
        }
        rendering.budget().step();
        return switch (name) {
            case "divisibleby",
                    "in",
                    "sameas",
                    "==",
                    "eq",
                    "equalto",
                    "!=",
                    "ne",
                    "<",
                    "lt",
                    "lessthan",
                    "<=",
                    "le",
                    ">",
                    "gt",
                    "greaterthan",
                    ">=",
                    "ge" ->
                relation(
                        rendering,
                        name,
                        value,
                        ONE.bind("the test " + name, arguments).at(0));
            default -> {
                NOTHING.bind("the test " + name, arguments);
                yield property(rendering, name, value);
            }
        };
    }

    private static boolean property(Rendering rendering, String name, Object value) {
        return switch (name) {
            case "defined" -> !(value instanceof Undefined);
            case "undefined" -> value instanceof Undefined;
            case "none" -> value == None.NONE;
            case "boolean" -> value instanceof Boolean;
            case "true" -> value instanceof Boolean bool && bool;
            case "false" -> value instanceof Boolean bool && !bool;
            case "integer" -> value instanceof Long;
            case "float" -> value instanceof Double;
            case "number" -> Comparisons.isNumber(value);
            case "string" -> Values.text(value) != null;
            case "mapping" -> value instanceof Map;
            case "sequence" ->
                Values.text(value) != null
                        || value instanceof List
                        || value instanceof Map
                        || value instanceof Tuple
                        || value instanceof Range
                        || value instanceof Undefined;
            case "iterable" -> isIterable(value);
            case "callable" -> value instanceof Invocable || value instanceof Undefined;
            case "escaped" -> value instanceof Markup;
            case "odd" -> remainder(rendering, value, 2L, 1L);
            case "even" -> remainder(rendering, value, 2L, 0L);
            case "lower" -> PythonText.isLower(scanned(rendering, value));
            case "upper" -> PythonText.isUpper(scanned(rendering, value));
            case "filter" -> Filters.isFilter(rendering.str(value));
            case "test" -> isTest(rendering.str(value));
            default -> throw new IllegalStateException(name);
        };
    }

    private static boolean relation(Rendering rendering, String name, Object value, Object other) {
        var comparisons = rendering.comparisons();
        return switch (name) {
            case "divisibleby" -> remainder(rendering, value, other, 0L);
            case "in" -> comparisons.contains(other, value);
            case "sameas" -> value == other || value.getClass() == other.getClass() && comparisons.equal(value, other);
            case "==", "eq", "equalto" -> comparisons.holds(Relation.EQUAL, value, other);
            case "!=", "ne" -> comparisons.holds(Relation.UNEQUAL, value, other);
            case "<", "lt", "lessthan" -> comparisons.holds(Relation.LESS, value, other);
            case "<=", "le" -> comparisons.holds(Relation.LESS_OR_EQUAL, value, other);
            case ">", "gt", "greaterthan" -> comparisons.holds(Relation.GREATER, value, other);
            case ">=", "ge" -> comparisons.holds(Relation.GREATER_OR_EQUAL, value, other);
            default -> throw new IllegalStateException(name);
        };
    }

    private static boolean remainder(Rendering rendering, Object value, Object divisor, long expected) {
        var remainder = Arithmetic.apply(rendering, Arithmetic.Operator.MODULO, value, divisor);
        return rendering.comparisons().equal(remainder, expected);
    }

    private static String scanned(Rendering rendering, Object value) {
        var text = rendering.str(value);
        rendering.budget().characters(text.length());
        return text;
    }

    private static boolean isIterable(Object value) {
        return Values.text(value) != null
                || value instanceof List
                || value instanceof Map
                || value instanceof Tuple
                || value instanceof Range
                || value instanceof DictView
                || value instanceof Generated
                || value instanceof Loop
                || value instanceof Undefined;
    }
}
