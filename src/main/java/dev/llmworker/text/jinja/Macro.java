package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Statement.Block;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A macro, or the body of a call block, as a function that returns its text. It reads the variables of the scope that
/// defines it, with the values that they have during the call.
record Macro(Definition definition, Scope scope) implements Invocable {
    /// @param extras which of `caller`, `varargs` and `kwargs` the body reads. The macro takes only these surplus
    /// arguments.
    record Definition(String name, List<Parameter> parameters, Set<String> extras, Block body) {}

    /// @param whenLeftOut the default value, or null if there is none
    record Parameter(String name, @Nullable Expression whenLeftOut) {}

    String name() {
        return definition.name();
    }

    @Override
    public Object call(Arguments arguments) {
        var inner = new Scope(scope);
        var positional = arguments.positional();
        var parameters = definition.parameters();
        var named = new LinkedHashMap<>(arguments.named());
        for (int i = 0; i < parameters.size(); i++) {
            var name = parameters.get(i).name();
            var given = i < positional.size() ? positional.get(i) : named.remove(name);
            inner.set(name, given != null ? given : whenLeftOut(parameters.get(i), inner));
        }
        int taken = Math.min(positional.size(), parameters.size());
        surplus(positional.subList(taken, positional.size()), named, inner);
        return definition.body().text(inner);
    }

    private static Object whenLeftOut(Parameter parameter, Scope inner) {
        return parameter.whenLeftOut() != null
                ? parameter.whenLeftOut().value(inner)
                : new Undefined("parameter '" + parameter.name() + "' was not provided");
    }

    /// Binds the surplus arguments to `caller`, `varargs` and `kwargs` if the body reads them.
    private void surplus(List<Object> positional, Map<String, Object> named, Scope inner) {
        if (definition.extras().contains("caller")) {
            var caller = named.remove("caller");
            inner.set("caller", caller != null ? caller : new Undefined("No caller defined"));
        }
        if (definition.extras().contains("varargs")) {
            inner.set("varargs", new Sequence("tuple", positional));
        } else if (!positional.isEmpty()) {
            throw new JinjaException("macro '" + name() + "' takes at most "
                    + definition.parameters().size() + " argument(s)");
        }
        if (definition.extras().contains("kwargs")) {
            inner.set("kwargs", new LinkedHashMap<Object, Object>(named));
        } else if (!named.isEmpty()) {
            throw new JinjaException("macro '" + name() + "' takes no keyword argument '"
                    + named.keySet().iterator().next() + "'");
        }
    }
}
