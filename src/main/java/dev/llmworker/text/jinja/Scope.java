package dev.llmworker.text.jinja;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The variables of a template, loop iteration, macro call or block. It can read the outer scope's variables, but not
/// set them.
final class Scope {
    private final @Nullable Scope outer;
    private final Budget budget;
    private final Map<String, Object> variables;

    Scope(Budget budget, Map<String, Object> variables) {
        this.outer = null;
        this.budget = budget;
        this.variables = variables;
    }

    Scope(Scope outer) {
        this.outer = outer;
        this.budget = outer.budget;
        this.variables = new HashMap<>();
    }

    Budget budget() {
        return budget;
    }

    Object variable(String name) {
        for (var scope = this; scope != null; scope = scope.outer) {
            var value = scope.variables.get(name);
            if (value != null) {
                return value;
            }
        }
        return new Undefined("'" + name + "' is undefined");
    }

    void set(String name, Object value) {
        variables.put(name, value);
    }
}
