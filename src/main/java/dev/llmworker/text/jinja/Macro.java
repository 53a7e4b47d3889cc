package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Statement.Block;
import dev.llmworker.text.jinja.Values.Invocable;
import dev.llmworker.text.jinja.Values.Undefined;
import java.util.LinkedHashMap;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A macro as a function that returns its text. It reads the variables of the scope that defines it, with the
/// values that they have during the call.
record Macro(String name, List<Parameter> parameters, Block body, Scope scope) implements Invocable {
    /// @param whenLeftOut the default value, or null if there is none
    record Parameter(String name, @Nullable Expression whenLeftOut) {}

    @Override
    public Object call(Arguments arguments) {
        var inner = new Scope(scope);
        var positional = arguments.positional();
        var named = new LinkedHashMap<>(arguments.named());
        for (int i = 0; i < parameters.size(); i++) {
            var name = parameters.get(i).name();
            var given = i < positional.size() ? positional.get(i) : named.remove(name);
            inner.set(name, given != null ? given : whenLeftOut(parameters.get(i), inner));
        }
        if (positional.size() > parameters.size()) {
            throw new JinjaException("macro '" + name + "' takes at most " + parameters.size() + " argument(s)");
        }
        if (!named.isEmpty()) {
            throw new JinjaException("macro '" + name + "' takes no keyword argument '"
                    + named.keySet().iterator().next() + "'");
        }
        return body.text(inner);
    }

    private static Object whenLeftOut(Parameter parameter, Scope inner) {
        return parameter.whenLeftOut() != null
                ? parameter.whenLeftOut().value(inner)
                : new Undefined("parameter '" + parameter.name() + "' was not provided");
    }
}
