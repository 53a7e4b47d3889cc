package dev.llmworker.text.jinja;

import java.util.List;

/// A part of a template that writes to the output or sets variables.
sealed interface Statement {
    /// The line it begins on, from 1.
    int line();

    record Verbatim(int line, String text) implements Statement {}

    record Output(int line, Expression value) implements Statement {}

    record If(int line, List<Branch> branches, List<Statement> otherwise) implements Statement {}

    record Branch(Expression condition, List<Statement> body) {}

    /// @param filter the condition after `if`; a literal true if there is none
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

    /// `{% generation %}`, which marks text for training. Here it is only a scope.
    record Generation(int line, List<Statement> body) implements Statement {}

    /// @param extras which of `caller`, `varargs` and `kwargs` the body reads. The macro takes only these surplus
    /// arguments.
    record MacroDefinition(int line, String name, List<Parameter> parameters, List<String> extras, List<Statement> body)
            implements Statement {}

    /// @param whenLeftOut the default value, or empty if there is none
    record Parameter(String name, List<Expression> whenLeftOut) {}

    /// `{% call(…) macro(…) %}…{% endcall %}`.
    record CallBlock(int line, MacroDefinition caller, Expression.Call call) implements Statement {}

    /// The left side of an assignment.
    sealed interface Target {
        record Variable(String name) implements Target {}

        record NamespaceAttribute(String namespace, String attribute) implements Target {}

        record Unpacked(List<Target> targets) implements Target {}
    }
}
