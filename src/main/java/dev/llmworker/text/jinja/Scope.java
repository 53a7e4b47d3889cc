package dev.llmworker.text.jinja;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The variables of a template, loop round, macro call or block; those of the scope around it can be read, not set.
final class Scope {
    private final @Nullable Scope outer;
    private final Map<String, Object> variables;

    /// Of what is read only: the global functions.
    Scope(Map<String, Object> variables) {
        this.outer = null;
        this.variables = variables;
    }

    Scope(Scope outer) {
        this.outer = outer;
        this.variables = new HashMap<>();
    }

    Object variable(String name) {
        for (var scope = this; scope != null; scope = scope.outer) {
            var value = scope.variables.get(name);
            if (value != null) {
                return value;
            }
        }
        return Undefined.variable(name);
    }

    void set(String name, Object value) {
        variables.put(name, value);
    }

    void set(Budget budget, Statement.Target target, Object value) {
        switch (target) {
            case Statement.Target.Variable(var name) -> set(name, value);
            case Statement.Target.NamespaceAttribute(var name, var attribute) -> {
                if (!(variable(name) instanceof Namespace namespace)) {
                    throw new JinjaException("cannot assign attribute on non-namespace object");
                }
                namespace.set(attribute, value);
            }
            case Statement.Target.Unpacked(var targets) -> unpack(budget, targets, value);
        }
    }

    private void unpack(Budget budget, List<Statement.Target> targets, Object value) {
        var items = Values.items(budget, value);
        if (items.size() != targets.size()) {
            throw new JinjaException("cannot unpack " + items.size() + " values into " + targets.size() + " names");
        }
        for (int i = 0; i < items.size(); i++) {
            set(budget, targets.get(i), items.get(i));
        }
    }
}
