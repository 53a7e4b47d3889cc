package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Rendering.Budget;
import dev.llmworker.text.jinja.Rendering.Text;
import dev.llmworker.text.jinja.Values.Invocable;
import dev.llmworker.text.jinja.Values.Tuple;
import dev.llmworker.text.jinja.Values.Undefined;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Executes a template once. Threading: one thread.
final class Interpreter {
    /// How a list of statements ended.
    private enum Flow {
        ON,
        BREAK,
        CONTINUE
    }

    private final Rendering rendering;
    private final Budget budget;
    private final Evaluator evaluator;
    private int line;

    Interpreter(Rendering rendering) {
        this.rendering = rendering;
        this.budget = rendering.budget();
        this.evaluator = new Evaluator(rendering);
    }

    Evaluator evaluator() {
        return evaluator;
    }

    String render(List<Statement> template, Map<String, ?> variables) {
        var scope = new Scope(new Scope(Globals.of(rendering)));
        try {
            variables.forEach((name, value) -> scope.set(name, Values.imported(budget, value)));
            return captured(template, scope);
        } catch (JinjaException e) {
            throw e.at(line);
        }
    }

    /// The text that the statements write.
    String captured(List<Statement> statements, Scope scope) {
        int callerLine = line;
        budget.enter();
        var out = budget.text();
        execute(statements, scope, out);
        budget.leave();
        line = callerLine;
        return out.toString();
    }

    private Flow execute(List<Statement> statements, Scope scope, Text out) {
        for (var statement : statements) {
            line = statement.line();
            budget.step();
            budget.enter();
            var flow = execute(statement, scope, out);
            budget.leave();
            if (flow != Flow.ON) {
                return flow;
            }
        }
        return Flow.ON;
    }

    private Flow execute(Statement statement, Scope scope, Text out) {
        switch (statement) {
            case Statement.Verbatim verbatim -> out.append(verbatim.text());
            case Statement.Output output -> out.append(rendering.str(evaluator.value(output.value(), scope)));
            case Statement.If condition -> {
                return condition(condition, scope, out);
            }
            case Statement.For loop -> {
                return loop(loop, scope, out);
            }
            case Statement.Break _ -> {
                return Flow.BREAK;
            }
            case Statement.Continue _ -> {
                return Flow.CONTINUE;
            }
            case Statement.Assign assign -> scope.set(budget, assign.target(), evaluator.value(assign.value(), scope));
            case Statement.AssignBlock assign ->
                scope.set(budget, assign.target(), filtered(assign.filters(), assign.body(), scope));
            case Statement.FilterBlock block ->
                out.append(rendering.str(filtered(block.filters(), block.body(), scope)));
            case Statement.With with -> {
                return with(with, scope, out);
            }
            case Statement.Generation generation -> out.append(captured(generation.body(), new Scope(scope)));
            case Statement.MacroDefinition macro -> scope.set(macro.name(), new Macro(this, macro, scope));
            case Statement.CallBlock call -> out.append(rendering.str(call(call, scope)));
        }
        return Flow.ON;
    }

    private Flow condition(Statement.If condition, Scope scope, Text out) {
        for (var branch : condition.branches()) {
            if (evaluator.isTrue(branch.condition(), scope)) {
                return execute(branch.body(), scope, out);
            }
        }
        return execute(condition.otherwise(), scope, out);
    }

    private Flow loop(Statement.For statement, Scope scope, Text out) {
        var items = selected(statement, scope);
        if (items.isEmpty()) {
            return execute(statement.otherwise(), new Scope(scope), out);
        }
        var loop = new Loop(items);
        for (var item = loop.advance(); item != null; item = loop.advance()) {
            // Variables that an iteration sets are gone after it.
            var round = new Scope(scope);
            round.set("loop", loop);
            round.set(budget, statement.target(), item);
            if (execute(statement.body(), round, out) == Flow.BREAK) {
                break;
            }
        }
        return Flow.ON;
    }

    private List<Object> selected(Statement.For statement, Scope scope) {
        var items = Values.items(budget, evaluator.value(statement.items(), scope));
        if (statement.filter() instanceof Expression.Literal literal
                && literal.value().equals(true)) {
            return items;
        }
        var selected = new ArrayList<Object>();
        for (var item : items) {
            var test = new Scope(scope);
            test.set(budget, statement.target(), item);
            if (evaluator.isTrue(statement.filter(), test)) {
                selected.add(item);
            }
        }
        return selected;
    }

    private Object filtered(List<Expression.FilterCall> filters, List<Statement> body, Scope scope) {
        Object value = captured(body, new Scope(scope));
        for (var filter : filters) {
            value = evaluator.filtered(filter, value, scope);
        }
        return value;
    }

    private Flow with(Statement.With with, Scope scope, Text out) {
        var inner = new Scope(scope);
        for (var binding : with.bindings()) {
            inner.set(budget, binding.target(), evaluator.value(binding.value(), scope));
        }
        return execute(with.body(), inner, out);
    }

    private Object call(Statement.CallBlock block, Scope scope) {
        var given = evaluator.arguments(block.call().arguments(), scope);
        var named = new LinkedHashMap<>(given.named());
        named.put("caller", new Macro(this, block.caller(), scope));
        return evaluator.call(block.call(), new Arguments(given.positional(), named), scope);
    }

    /// The variables of a template, loop iteration, macro call or block. It can read the outer scope's variables, but
    /// not set them.
    static final class Scope {
        private final @Nullable Scope outer;
        private final Map<String, Object> variables;

        /// A scope of read-only variables: the global functions.
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

    /// The variable `loop` in a loop's body.
    static final class Loop {
        private final List<Object> items;
        private int index0 = -1;

        Loop(List<Object> items) {
            this.items = items;
        }

        /// The next item, or null at the end.
        @Nullable
        Object advance() {
            return ++index0 < items.size() ? items.get(index0) : null;
        }

        long index() {
            return index0 + 1L;
        }

        long length() {
            return items.size();
        }

        /// The attribute of this name; null if there is none.
        @Nullable
        Object attribute(String name) {
            return switch (name) {
                case "index" -> index();
                case "index0" -> (long) index0;
                case "revindex" -> length() - index0;
                case "revindex0" -> length() - index();
                case "first" -> index0 == 0;
                case "last" -> index() == length();
                case "length" -> length();
                case "previtem" -> index0 > 0 ? items.get(index0 - 1) : new Undefined("there is no previous item");
                case "nextitem" -> index() < length() ? items.get(index0 + 1) : new Undefined("there is no next item");
                default -> null;
            };
        }
    }

    /// A macro, or the body of a call block, as a function that returns its text. It reads the variables of the scope
    /// that defines it, with the values that they have during the call.
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

        /// Binds the surplus arguments to `caller`, `varargs` and `kwargs` if the body reads them.
        private void surplus(List<Object> positional, Map<String, Object> named, Scope inner) {
            if (definition.extras().contains("caller")) {
                var caller = named.remove("caller");
                inner.set("caller", caller != null ? caller : new Undefined("No caller defined"));
            }
            int taken = Math.min(positional.size(), definition.parameters().size());
            if (definition.extras().contains("varargs")) {
                inner.set("varargs", new Tuple(positional.subList(taken, positional.size())));
            } else if (taken < positional.size()) {
                throw new JinjaException("macro '" + name() + "' takes at most " + taken + " argument(s)");
            }
            if (definition.extras().contains("kwargs")) {
                inner.set("kwargs", new LinkedHashMap<Object, Object>(named));
            } else if (!named.isEmpty()) {
                throw new JinjaException("macro '" + name() + "' takes no keyword argument '"
                        + named.keySet().iterator().next() + "'");
            }
        }
    }

    /// The only value that a template can change: `namespace(found=false)`, then `{% set ns.found = true %}`.
    static final class Namespace {
        private final Map<String, Object> attributes = new LinkedHashMap<>();

        Map<String, Object> attributes() {
            return attributes;
        }

        void set(String name, Object value) {
            if (name.startsWith("_")) {
                throw new JinjaException(
                        "a namespace has no attributes that begin with an underscore; this one is " + name);
            }
            attributes.put(name, value);
        }
    }
}
