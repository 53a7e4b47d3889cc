package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Values.Invocable;
import dev.llmworker.text.jinja.Values.Loop;
import dev.llmworker.text.jinja.Values.None;
import dev.llmworker.text.jinja.Values.Sequence;
import dev.llmworker.text.jinja.Values.Undefined;
import java.util.Iterator;
import java.util.List;
import java.util.Map;

/// The tests that chat templates use after `is`, by name.
final class Tests {
    private Tests() {}

    static boolean holds(Budget budget, String name, Object value, Arguments arguments) {
        budget.step();
        var relation = switch (name) {
            case "in", "!=", "<", "<=", ">", ">=", "==" -> name;
            case "eq", "equalto" -> "==";
            case "ne" -> "!=";
            case "lt", "lessthan" -> "<";
            case "le" -> "<=";
            case "gt", "greaterthan" -> ">";
            case "ge" -> ">=";
            default -> null;
        };
        if (relation != null) {
            var other = arguments.bind("the test " + name, "other").at(0);
            return Operators.holds(budget, relation, value, other);
        }
        boolean holds = switch (name) {
            case "defined" -> !(value instanceof Undefined);
            case "undefined" -> value instanceof Undefined;
            case "none" -> value == None.NONE;
            case "boolean" -> value instanceof Boolean;
            case "true" -> value.equals(true);
            case "false" -> value.equals(false);
            case "integer" -> value instanceof Long;
            case "float" -> value instanceof Double;
            case "number" -> Values.number(value) != null;
            case "string" -> Values.text(value) != null;
            case "mapping" -> value instanceof Map;
            case "sequence" -> isIterable(value) && !(value instanceof Sequence view && !Values.isTuple(view));
            case "iterable" -> isIterable(value) || value instanceof Iterator || value instanceof Loop;
            case "callable" -> value instanceof Invocable || value instanceof Undefined;
            case "odd", "even" -> {
                var remainder = Operators.calculate(budget, "%", value, 2L);
                yield Operators.equal(budget, remainder, name.equals("odd") ? 1L : 0L);
            }
            default -> throw new JinjaException("No test named '" + name + "'");
        };
        arguments.bind("the test " + name, "");
        return holds;
    }

    private static boolean isIterable(Object value) {
        return Values.text(value) != null
                || value instanceof List
                || value instanceof Map
                || value instanceof Undefined;
    }
}
