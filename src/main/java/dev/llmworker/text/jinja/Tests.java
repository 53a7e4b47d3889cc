package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Arguments.Signature;
import dev.llmworker.text.jinja.Expression.Relation;
import dev.llmworker.text.jinja.Interpreter.Loop;
import dev.llmworker.text.jinja.Values.DictView;
import dev.llmworker.text.jinja.Values.Generated;
import dev.llmworker.text.jinja.Values.Invocable;
import dev.llmworker.text.jinja.Values.None;
import dev.llmworker.text.jinja.Values.Range;
import dev.llmworker.text.jinja.Values.Tuple;
import dev.llmworker.text.jinja.Values.Undefined;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The tests that chat templates use after `is`, by name.
final class Tests {
    private static final Signature ONE = Signature.of("other");

    private Tests() {}

    static boolean holds(Rendering rendering, String name, Object value, Arguments arguments) {
        rendering.budget().step();
        var relation = relation(name);
        if (relation != null) {
            var other = ONE.bind("the test " + name, arguments).at(0);
            return rendering.comparisons().holds(relation, value, other);
        }
        boolean holds = property(rendering, name, value);
        Signature.EMPTY.bind("the test " + name, arguments);
        return holds;
    }

    private static @Nullable Relation relation(String name) {
        return switch (name) {
            case "in" -> Relation.IN;
            case "==", "eq", "equalto" -> Relation.EQUAL;
            case "!=", "ne" -> Relation.UNEQUAL;
            case "<", "lt", "lessthan" -> Relation.LESS;
            case "<=", "le" -> Relation.LESS_OR_EQUAL;
            case ">", "gt", "greaterthan" -> Relation.GREATER;
            case ">=", "ge" -> Relation.GREATER_OR_EQUAL;
            default -> null;
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
            case "sequence" -> isSequence(value);
            case "iterable" ->
                isSequence(value) || value instanceof DictView || value instanceof Generated || value instanceof Loop;
            case "callable" -> value instanceof Invocable || value instanceof Undefined;
            case "odd" -> isRemainderOfTwo(rendering, value, 1L);
            case "even" -> isRemainderOfTwo(rendering, value, 0L);
            default -> throw new JinjaException("No test named '" + name + "'");
        };
    }

    private static boolean isSequence(Object value) {
        return Values.text(value) != null
                || value instanceof List
                || value instanceof Map
                || value instanceof Tuple
                || value instanceof Range
                || value instanceof Undefined;
    }

    private static boolean isRemainderOfTwo(Rendering rendering, Object value, long expected) {
        var remainder = Arithmetic.apply(rendering, Arithmetic.Operator.MODULO, value, 2L);
        return rendering.comparisons().equal(remainder, expected);
    }
}
