package dev.llmworker.text.jinja;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

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

    /// What the statements write.
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
        var loop = new Loop(rendering.comparisons(), items);
        for (var item = loop.advance(); item != null; item = loop.advance()) {
            // What a round sets is forgotten after it.
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
}
