package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Interpreter.Scope;
import dev.llmworker.text.jinja.Rendering.Budget;
import dev.llmworker.text.jinja.Values.Invocable;
import dev.llmworker.text.jinja.Values.Tuple;
import dev.llmworker.text.jinja.Values.Undefined;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Evaluates expressions.
final class Evaluator {
    private final Rendering rendering;
    private final Budget budget;

    Evaluator(Rendering rendering) {
        this.rendering = rendering;
        this.budget = rendering.budget();
    }

    Object value(Expression expression, Scope scope) {
        budget.step();
        budget.enter();
        var value = switch (expression) {
            case Expression.Literal literal -> literal.value();
            case Expression.Name name -> scope.variable(name.name());
            case Expression.ListOf list -> values(list.items(), scope);
            case Expression.TupleOf tuple -> new Tuple(values(tuple.items(), scope));
            case Expression.DictOf dict -> dict(dict, scope);
            case Expression.Not not -> !isTrue(not.operand(), scope);
            case Expression.Negative negative -> Arithmetic.negated(value(negative.operand(), scope));
            case Expression.Positive positive -> Arithmetic.positive(value(positive.operand(), scope));
            case Expression.And and -> and(and, scope);
            case Expression.Or or -> or(or, scope);
            case Expression.Calculation sum ->
                Arithmetic.apply(rendering, sum.operator(), value(sum.left(), scope), value(sum.right(), scope));
            case Expression.Concatenation parts -> concatenation(parts, scope);
            case Expression.Comparison comparison -> holds(comparison, scope);
            case Expression.Conditional conditional ->
                isTrue(conditional.condition(), scope)
                        ? value(conditional.then(), scope)
                        : value(conditional.otherwise(), scope);
            case Expression.Attribute attribute ->
                Subscripts.attribute(rendering, value(attribute.owner(), scope), attribute.name());
            case Expression.Element element ->
                Subscripts.element(rendering, value(element.owner(), scope), value(element.key(), scope));
            case Expression.Slice slice -> slice(slice, scope);
            case Expression.Call call -> call(call, arguments(call.arguments(), scope), scope);
            case Expression.Filtered filtered -> filtered(filtered.filter(), value(filtered.input(), scope), scope);
            case Expression.Tested tested -> tested(tested, scope);
        };
        budget.leave();
        return value;
    }

    boolean isTrue(Expression expression, Scope scope) {
        return Values.isTrue(value(expression, scope));
    }

    private List<Object> values(List<Expression> expressions, Scope scope) {
        var values = new ArrayList<Object>(expressions.size());
        for (var expression : expressions) {
            values.add(value(expression, scope));
        }
        return values;
    }

    private Object dict(Expression.DictOf literal, Scope scope) {
        var dict = new LinkedHashMap<Object, Object>();
        for (var entry : literal.entries()) {
            dict.put(Values.key(value(entry.key(), scope)), value(entry.value(), scope));
        }
        return dict;
    }

    private Object and(Expression.And and, Scope scope) {
        var left = value(and.left(), scope);
        return Values.isTrue(left) ? value(and.right(), scope) : left;
    }

    private Object or(Expression.Or or, Scope scope) {
        var left = value(or.left(), scope);
        return Values.isTrue(left) ? left : value(or.right(), scope);
    }

    private Object concatenation(Expression.Concatenation concatenation, Scope scope) {
        var text = budget.text();
        for (var part : concatenation.parts()) {
            text.append(rendering.str(value(part, scope)));
        }
        return text.toString();
    }

    private boolean holds(Expression.Comparison comparison, Scope scope) {
        var left = value(comparison.first(), scope);
        for (var link : comparison.links()) {
            var right = value(link.operand(), scope);
            if (!rendering.comparisons().holds(link.relation(), left, right)) {
                return false;
            }
            left = right;
        }
        return true;
    }

    private Object slice(Expression.Slice slice, Scope scope) {
        return Subscripts.slice(
                rendering,
                value(slice.owner(), scope),
                value(slice.start(), scope),
                value(slice.stop(), scope),
                value(slice.step(), scope));
    }

    /// Calls a function with arguments that are already evaluated.
    Object call(Expression.Call call, Arguments arguments, Scope scope) {
        return switch (value(call.callee(), scope)) {
            case Invocable callee -> callee.call(arguments);
            case Undefined undefined -> throw undefined.exception();
            case Object other -> throw new JinjaException("'" + Values.typeName(other) + "' object is not callable");
        };
    }

    Arguments arguments(Expression.CallArguments arguments, Scope scope) {
        if (arguments == Expression.CallArguments.NONE) {
            return Arguments.NONE;
        }
        var positional = values(arguments.positional(), scope);
        var named = new LinkedHashMap<String, Object>();
        for (var argument : arguments.named()) {
            put(named, argument.name(), value(argument.value(), scope));
        }
        for (var spread : arguments.spread()) {
            positional.addAll(Values.items(budget, value(spread, scope)));
        }
        for (var spread : arguments.spreadNamed()) {
            var value = value(spread, scope);
            if (!(value instanceof Map<?, ?> map)) {
                throw new JinjaException("argument after ** must be a mapping, not " + Values.typeName(value));
            }
            budget.steps(map.size());
            map.forEach((name, item) -> put(named, rendering.str(name), item));
        }
        return new Arguments(positional, named);
    }

    private static void put(Map<String, Object> named, String name, Object value) {
        if (named.put(name, value) != null) {
            throw new JinjaException("got multiple values for keyword argument '" + name + "'");
        }
    }

    Object filtered(Expression.FilterCall filter, Object input, Scope scope) {
        return Filters.apply(rendering, filter.name(), input, arguments(filter.arguments(), scope));
    }

    private boolean tested(Expression.Tested tested, Scope scope) {
        var subject = value(tested.subject(), scope);
        return Tests.holds(rendering, tested.test(), subject, arguments(tested.arguments(), scope));
    }
}
