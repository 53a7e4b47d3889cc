package dev.llmworker.text.jinja;

import java.util.List;

/// What writes to the output or sets variables.
sealed interface Statement {
    /// Where it begins, from 1.
    int line();

    record Verbatim(int line, String text) implements Statement {}

    record Output(int line, Expression value) implements Statement {}

    record If(int line, List<Branch> branches, List<Statement> otherwise) implements Statement {}

    record Branch(Expression condition, List<Statement> body) {}

    /// @param filter which items the loop takes; a literal true for all
    record For(
            int line,
            Target target,
            Expression items,
            Expression filter,
            List<Statement> body,
            List<Statement> otherwise)
            implements Statement {}

    record Break(int line) implements Statement {}

    record Continue(int line) implements Statement {}

    record Assign(int line, Target target, Expression value) implements Statement {}

    /// `{% set name | filter %}…{% endset %}`.
    record AssignBlock(int line, Target target, List<Expression.FilterCall> filters, List<Statement> body)
            implements Statement {}

    record FilterBlock(int line, List<Expression.FilterCall> filters, List<Statement> body) implements Statement {}

    record With(int line, List<Binding> bindings, List<Statement> body) implements Statement {}

    record Binding(Target target, Expression value) {}

    /// `{% generation %}`, which training reads; here only a scope of its own.
    record Generation(int line, List<Statement> body) implements Statement {}

    /// @param extras names of `caller`, `varargs` and `kwargs` that the body reads: a macro takes surplus arguments
    /// only if it does
    record MacroDefinition(int line, String name, List<Parameter> parameters, List<String> extras, List<Statement> body)
            implements Statement {}

    /// @param whenLeftOut empty for none, else one
    record Parameter(String name, List<Expression> whenLeftOut) {}

    /// `{% call(…) macro(…) %}…{% endcall %}`.
    record CallBlock(int line, MacroDefinition caller, Expression.Call call) implements Statement {}

    /// What can be set.
    sealed interface Target {
        record Variable(String name) implements Target {}

        record NamespaceAttribute(String namespace, String attribute) implements Target {}

        record Unpacked(List<Target> targets) implements Target {}
    }
}
