package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Arguments.Bound;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Built-in filters, methods or functions by name.
final class Builtins<T> {
    /// A function whose arguments are bound to its parameters.
    ///
    /// @param <T> the input of a filter, or the owner of a method
    @FunctionalInterface
    interface Body<T> {
        Object call(Budget budget, T self, Bound arguments);
    }

    /// A function that takes any arguments.
    @FunctionalInterface
    interface OpenBody<T> {
        Object call(Budget budget, T self, Arguments arguments);
    }

    private final String prefix;
    private final Map<String, OpenBody<T>> bodies = new HashMap<>();

    /// @param prefix what errors write before a function's name
    Builtins(String prefix) {
        this.prefix = prefix;
    }

    /// @param parameters as [Arguments#bind] reads them
    void add(String name, String parameters, Body<T> body) {
        addOpen(name, (budget, self, given) -> body.call(budget, self, given.bind(prefix + name, parameters)));
    }

    void addOpen(String name, OpenBody<T> body) {
        bodies.put(name, body);
    }

    /// The function of this name, or null if there is none.
    @Nullable
    Invocable find(Budget budget, T self, String name) {
        var body = bodies.get(name);
        return body == null ? null : arguments -> body.call(budget, self, arguments);
    }

    /// All functions by name.
    Map<String, Object> all(Budget budget, T self) {
        var all = new HashMap<String, Object>();
        bodies.forEach((name, body) -> all.put(name, (Invocable) arguments -> body.call(budget, self, arguments)));
        return all;
    }
}
