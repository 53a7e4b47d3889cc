package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Expression.CallArguments;
import java.util.ArrayList;
import java.util.List;

/// Parses values and what follows them: attributes, elements, slices, calls, filters and tests.
final class OperandParser {
    private static final Expression NONE = new Expression.Literal(None.NONE);

    private final TokenStream tokens;
    private final ExpressionParser expressions;
    private final ArgumentParser arguments;

    OperandParser(TokenStream tokens, ExpressionParser expressions) {
        this.tokens = tokens;
        this.expressions = expressions;
        this.arguments = new ArgumentParser(tokens, expressions);
    }

    Expression signed(boolean withFilters) {
        tokens.enter();
        Expression value;
        if (tokens.skipOperator("-")) {
            value = new Expression.Negative(signed(false));
        } else if (tokens.skipOperator("+")) {
            value = new Expression.Positive(signed(false));
        } else {
            value = primary();
        }
        value = followed(value);
        while (withFilters) {
            if (tokens.skipOperator("|")) {
                value = new Expression.Filtered(value, filter());
            } else if (tokens.skipName("is")) {
                value = test(value);
            } else if (tokens.current().isOperator("(")) {
                value = new Expression.Call(value, arguments.parse());
            } else {
                break;
            }
        }
        tokens.leave();
        return value;
    }

    Expression primary() {
        var token = tokens.next();
        return switch (token.kind()) {
            case NAME ->
                switch (token.text()) {
                    case "true", "True" -> new Expression.Literal(true);
                    case "false", "False" -> new Expression.Literal(false);
                    case "none", "None" -> NONE;
                    default -> expressions.read(token.text());
                };
            case STRING -> strings(token);
            case INTEGER -> new Expression.Literal(integer(token));
            case FLOAT -> new Expression.Literal(Double.valueOf(token.text()));
            case OPERATOR ->
                switch (token.text()) {
                    case "(" -> parenthesised();
                    case "[" -> new Expression.ListOf(items("]"));
                    case "{" -> dict();
                    default -> throw unexpected(token);
                };
            case TEXT, OUTPUT_BEGIN, OUTPUT_END, TAG_BEGIN, TAG_END, END -> throw unexpected(token);
        };
    }

    private static JinjaException unexpected(Token token) {
        return JinjaException.at(token.line(), "unexpected " + token.shown());
    }

    /// Strings side by side are one.
    private Expression strings(Token first) {
        var text = new StringBuilder(first.text());
        while (tokens.current().kind() == Token.Kind.STRING) {
            text.append(tokens.next().text());
        }
        return new Expression.Literal(text.toString());
    }

    private static Long integer(Token token) {
        var digits = token.text();
        int radix = switch (digits.length() < 2 ? ' ' : digits.charAt(1)) {
            case 'x', 'X' -> 16;
            case 'o', 'O' -> 8;
            case 'b', 'B' -> 2;
            default -> 10;
        };
        try {
            return Long.valueOf(radix == 10 ? digits : digits.substring(2), radix);
        } catch (NumberFormatException e) {
            throw JinjaException.at(token.line(), digits + " is no integer of 64 bits");
        }
    }

    private Expression parenthesised() {
        if (tokens.skipOperator(")")) {
            return new Expression.TupleOf(List.of());
        }
        var value = expressions.tuple(true);
        tokens.expectOperator(")");
        return value;
    }

    private List<Expression> items(String closing) {
        var items = new ArrayList<Expression>();
        while (!tokens.skipOperator(closing)) {
            if (!items.isEmpty()) {
                tokens.expectOperator(",");
                if (tokens.skipOperator(closing)) {
                    break;
                }
            }
            items.add(expressions.expression());
        }
        return items;
    }

    private Expression dict() {
        var entries = new ArrayList<Expression.Entry>();
        while (!tokens.skipOperator("}")) {
            if (!entries.isEmpty()) {
                tokens.expectOperator(",");
                if (tokens.skipOperator("}")) {
                    break;
                }
            }
            var key = expressions.expression();
            tokens.expectOperator(":");
            entries.add(new Expression.Entry(key, expressions.expression()));
        }
        return new Expression.DictOf(entries);
    }

    Expression followed(Expression value) {
        var result = value;
        while (true) {
            if (tokens.skipOperator(".")) {
                result = attribute(result);
            } else if (tokens.skipOperator("[")) {
                result = element(result);
            } else if (tokens.current().isOperator("(")) {
                result = new Expression.Call(result, arguments.parse());
            } else {
                return result;
            }
        }
    }

    private Expression attribute(Expression owner) {
        var token = tokens.next();
        return switch (token.kind()) {
            case NAME -> new Expression.Attribute(owner, token.text());
            case INTEGER -> new Expression.Element(owner, new Expression.Literal(integer(token)));
            default -> throw JinjaException.at(token.line(), "expected name or number, got " + token.shown());
        };
    }

    private Expression element(Expression owner) {
        var start = bound();
        if (tokens.skipOperator(":")) {
            var stop = bound();
            var step = tokens.skipOperator(":") ? bound() : NONE;
            tokens.expectOperator("]");
            return new Expression.Slice(owner, start, stop, step);
        }
        var keys = new ArrayList<>(List.of(start));
        while (tokens.skipOperator(",")) {
            keys.add(expressions.expression());
        }
        tokens.expectOperator("]");
        return new Expression.Element(owner, keys.size() == 1 ? start : new Expression.TupleOf(keys));
    }

    private Expression bound() {
        boolean leftOut = tokens.current().isOperator(":") || tokens.current().isOperator("]");
        return leftOut ? NONE : expressions.expression();
    }

    Expression.FilterCall filter() {
        var name = dottedName();
        return new Expression.FilterCall(
                name, tokens.current().isOperator("(") ? arguments.parse() : CallArguments.NONE);
    }

    private String dottedName() {
        var name = new StringBuilder(tokens.expectAnyName());
        while (tokens.skipOperator(".")) {
            name.append('.').append(tokens.expectAnyName());
        }
        return name.toString();
    }

    private Expression test(Expression subject) {
        boolean negated = tokens.skipName("not");
        var name = dottedName();
        var given = CallArguments.NONE;
        if (tokens.current().isOperator("(")) {
            given = arguments.parse();
        } else if (startsArgument(tokens.current())) {
            if (tokens.current().isName("is")) {
                throw tokens.fault("You cannot chain multiple tests with is");
            }
            given = new CallArguments(List.of(followed(primary())), List.of(), List.of(), List.of());
        }
        var test = new Expression.Tested(subject, name, given);
        return negated ? new Expression.Not(test) : test;
    }

    /// Whether a test's argument without parentheses begins here, as in `is divisibleby 3`.
    private static boolean startsArgument(Token token) {
        return switch (token.kind()) {
            case NAME -> !token.isName("else") && !token.isName("or") && !token.isName("and");
            case STRING, INTEGER, FLOAT -> true;
            case OPERATOR -> token.isOperator("[") || token.isOperator("{");
            default -> false;
        };
    }
}
