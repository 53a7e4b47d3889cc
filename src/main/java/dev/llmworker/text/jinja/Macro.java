package dev.llmworker.text.jinja;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// A macro, or the body of a call block, as a function that gives its text. It reads the variables of where it was
/// defined, with the values they have when it is called.
record Macro(Interpreter interpreter, Statement.MacroDefinition definition, Scope scope) implements Invocable {
    String name() {
        return definition.name();
    }

    @Override
    public Object call(Arguments arguments) {
        var inner = new Scope(scope);
        var parameters = definition.parameters();
        var named = new LinkedHashMap<>(arguments.named());
        for (int i = 0; i < parameters.size(); i++) {
            var parameter = parameters.get(i);
            Object value;
            if (i < arguments.positional().size()) {
                value = arguments.positional().get(i);
            } else {
                var given = named.remove(parameter.name());
                value = given != null ? given : whenLeftOut(parameter, inner);
            }
            inner.set(parameter.name(), value);
        }
        surplus(arguments.positional(), named, inner);
        return interpreter.captured(definition.body(), inner);
    }

    private Object whenLeftOut(Statement.Parameter parameter, Scope inner) {
        for (var expression : parameter.whenLeftOut()) {
            return interpreter.evaluator().value(expression, inner);
        }
        return new Undefined("parameter '" + parameter.name() + "' was not provided");
    }

    /// Gives what no parameter takes to the names that the body reads for it.
    private void surplus(List<Object> positional, Map<String, Object> named, Scope inner) {
        if (definition.extras().contains("caller")) {
            var caller = named.remove("caller");
            inner.set("caller", caller != null ? caller : new Undefined("No caller defined"));
        }
        int taken = Math.min(positional.size(), definition.parameters().size());
        if (definition.extras().contains("varargs")) {
            inner.set("varargs", new Tuple(positional.subList(taken, positional.size())));
        } else if (taken < positional.size()) {
            throw new JinjaException("macro '" + name() + "' takes not more than " + taken + " argument(s)");
        }
        if (definition.extras().contains("kwargs")) {
            inner.set("kwargs", new LinkedHashMap<Object, Object>(named));
        } else if (!named.isEmpty()) {
            throw new JinjaException("macro '" + name() + "' takes no keyword argument '"
                    + named.keySet().iterator().next() + "'");
        }
    }
}
