package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Values.Invocable;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A part of a template that has a value.
@FunctionalInterface
interface Expression {
    /// Computes the value for [#value(Scope)], which counts it as a step and a level.
    Object evaluate(Scope scope);

    default Object value(Scope scope) {
        var budget = scope.budget();
        budget.step();
        budget.enter();
        var value = evaluate(scope);
        budget.leave();
        return value;
    }

    default boolean isTrue(Scope scope) {
        return Values.isTrue(value(scope));
    }

    static List<Object> values(List<Expression> expressions, Scope scope) {
        var values = new ArrayList<Object>(expressions.size());
        for (var expression : expressions) {
            values.add(expression.value(scope));
        }
        return values;
    }

    /// A call of a macro, a method or a global function.
    record Call(Expression callee, List<Argument> arguments) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            var given = Argument.values(arguments, scope);
            return switch (Values.defined(callee.value(scope))) {
                case Invocable function -> function.call(given);
                case Object other ->
                    throw new JinjaException("'" + Values.typeName(other) + "' object is not callable");
            };
        }
    }

    /// The name and arguments after `|`.
    record Filter(String name, List<Argument> arguments) {
        Object apply(Object input, Scope scope) {
            return Filters.apply(scope.budget(), name, input, Argument.values(arguments, scope));
        }
    }

    /// @param name null for a positional argument
    record Argument(@Nullable String name, Expression value) {
        static Arguments values(List<Argument> arguments, Scope scope) {
            var positional = new ArrayList<Object>(arguments.size());
            var named = new LinkedHashMap<String, Object>();
            for (var argument : arguments) {
                var value = argument.value().value(scope);
                if (argument.name() == null) {
                    positional.add(value);
                } else if (named.put(argument.name(), value) != null) {
                    throw new JinjaException("got multiple values for keyword argument '" + argument.name() + "'");
                }
            }
            return new Arguments(positional, named);
        }
    }
}
