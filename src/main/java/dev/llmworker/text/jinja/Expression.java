package dev.llmworker.text.jinja;

import java.util.List;

/// A part of a template that has a value.
sealed interface Expression {
    record Literal(Object value) implements Expression {}

    record Name(String name) implements Expression {}

    record ListOf(List<Expression> items) implements Expression {}

    record TupleOf(List<Expression> items) implements Expression {}

    record DictOf(List<Entry> entries) implements Expression {}

    record Entry(Expression key, Expression value) {}

    record Not(Expression operand) implements Expression {}

    record Negative(Expression operand) implements Expression {}

    record Positive(Expression operand) implements Expression {}

    record And(Expression left, Expression right) implements Expression {}

    record Or(Expression left, Expression right) implements Expression {}

    record Calculation(Arithmetic.Operator operator, Expression left, Expression right) implements Expression {}

    /// `a ~ b ~ c`.
    record Concatenation(List<Expression> parts) implements Expression {}

    /// `a < b <= c`. Each operand is evaluated at most once, and none after the first comparison that fails.
    record Comparison(Expression first, List<Link> links) implements Expression {}

    record Link(Relation relation, Expression operand) {}

    enum Relation {
        EQUAL,
        UNEQUAL,
        LESS,
        LESS_OR_EQUAL,
        GREATER,
        GREATER_OR_EQUAL,
        IN,
        NOT_IN
    }

    /// `then if condition else otherwise`. Without `else` the value is undefined.
    record Conditional(Expression condition, Expression then, Expression otherwise) implements Expression {}

    record Attribute(Expression owner, String name) implements Expression {}

    record Element(Expression owner, Expression key) implements Expression {}

    /// `owner[start:stop:step]`. An omitted bound is a literal None.
    record Slice(Expression owner, Expression start, Expression stop, Expression step) implements Expression {}

    record Call(Expression callee, CallArguments arguments) implements Expression {}

    record Filtered(Expression input, FilterCall filter) implements Expression {}

    record FilterCall(String name, CallArguments arguments) {}

    record Tested(Expression subject, String test, CallArguments arguments) implements Expression {}

    /// @param spread the list after `*`: at most one
    /// @param spreadNamed the dict after `**`: at most one
    record CallArguments(
            List<Expression> positional, List<Named> named, List<Expression> spread, List<Expression> spreadNamed) {
        static final CallArguments NONE = new CallArguments(List.of(), List.of(), List.of(), List.of());
    }

    record Named(String name, Expression value) {}
}
