package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Arithmetic.Operator;
import dev.llmworker.text.jinja.Expression.CallArguments;
import dev.llmworker.text.jinja.Expression.Relation;
import dev.llmworker.text.jinja.Lexer.Token;
import dev.llmworker.text.jinja.Lexer.TokenStream;
import dev.llmworker.text.jinja.Values.None;
import dev.llmworker.text.jinja.Values.Undefined;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Parses expressions with jinja2's precedence. From the loosest to the tightest: `if`, `or`, `and`, `not`,
/// comparisons, `+ -`, `~`, `* / // %`, `**`, signs. Attributes, calls, filters and tests bind tightest.
final class ExpressionParser {
    private static final Expression NONE = new Expression.Literal(None.NONE);

    private final TokenStream tokens;
    private Set<String> namesRead = new HashSet<>();

    ExpressionParser(TokenStream tokens) {
        this.tokens = tokens;
    }

    /// Starts a new set of names that expressions read, and returns the old one. A macro's body has its own set.
    Set<String> exchangeNamesRead(Set<String> names) {
        var read = namesRead;
        namesRead = names;
        return read;
    }

    private Expression.Name read(String name) {
        namesRead.add(name);
        return new Expression.Name(name);
    }

    Expression expression() {
        tokens.enter();
        var value = disjunction();
        while (tokens.skipName("if")) {
            var condition = disjunction();
            var otherwise = tokens.skipName("else")
                    ? expression()
                    : new Expression.Literal(new Undefined(
                            "the inline if-expression evaluated to false and no else section was defined."));
            value = new Expression.Conditional(condition, value, otherwise);
        }
        tokens.leave();
        return value;
    }

    /// An expression, or a tuple without parentheses.
    ///
    /// @param conditional whether `if` belongs to the expression. After a loop's `in` it does not.
    Expression tuple(boolean conditional) {
        var items = new ArrayList<Expression>();
        boolean tuple = false;
        while (!endsTuple()) {
            items.add(conditional ? expression() : disjunction());
            if (!tokens.skipOperator(",")) {
                break;
            }
            tuple = true;
        }
        if (items.isEmpty()) {
            throw tokens.fault("Expected an expression, got " + tokens.current().shown());
        }
        return tuple ? new Expression.TupleOf(items) : items.getFirst();
    }

    private boolean endsTuple() {
        var token = tokens.current();
        return switch (token.kind()) {
            case OUTPUT_END, TAG_END, END -> true;
            default -> token.isOperator(")");
        };
    }

    private Expression disjunction() {
        var left = conjunction();
        while (tokens.skipName("or")) {
            left = new Expression.Or(left, conjunction());
        }
        return left;
    }

    private Expression conjunction() {
        var left = negation();
        while (tokens.skipName("and")) {
            left = new Expression.And(left, negation());
        }
        return left;
    }

    private Expression negation() {
        if (!tokens.skipName("not")) {
            return comparison();
        }
        tokens.enter();
        var negated = new Expression.Not(negation());
        tokens.leave();
        return negated;
    }

    private Expression comparison() {
        var first = sum();
        var links = new ArrayList<Expression.Link>();
        for (var relation = relation(); relation != null; relation = relation()) {
            links.add(new Expression.Link(relation, sum()));
        }
        return links.isEmpty() ? first : new Expression.Comparison(first, links);
    }

    /// Reads a comparison operator; null if there is none.
    private @Nullable Relation relation() {
        var token = tokens.current();
        if (token.isName("not") && tokens.following().isName("in")) {
            tokens.next();
            tokens.next();
            return Relation.NOT_IN;
        }
        if (tokens.skipName("in")) {
            return Relation.IN;
        }
        Relation relation = token.kind() != Token.Kind.OPERATOR
                ? null
                : switch (token.text()) {
                    case "==" -> Relation.EQUAL;
                    case "!=" -> Relation.UNEQUAL;
                    case "<" -> Relation.LESS;
                    case "<=" -> Relation.LESS_OR_EQUAL;
                    case ">" -> Relation.GREATER;
                    case ">=" -> Relation.GREATER_OR_EQUAL;
                    default -> null;
                };
        if (relation != null) {
            tokens.next();
        }
        return relation;
    }

    private Expression sum() {
        var left = concatenation();
        while (tokens.current().isOperator("+") || tokens.current().isOperator("-")) {
            var operator = Operator.of(tokens.next().text());
            left = new Expression.Calculation(operator, left, concatenation());
        }
        return left;
    }

    private Expression concatenation() {
        var first = product();
        if (!tokens.current().isOperator("~")) {
            return first;
        }
        var parts = new ArrayList<>(List.of(first));
        while (tokens.skipOperator("~")) {
            parts.add(product());
        }
        return new Expression.Concatenation(parts);
    }

    private Expression product() {
        var left = power();
        while (isFactorSign(tokens.current())) {
            var operator = Operator.of(tokens.next().text());
            left = new Expression.Calculation(operator, left, power());
        }
        return left;
    }

    private static boolean isFactorSign(Token token) {
        return token.isOperator("*") || token.isOperator("/") || token.isOperator("//") || token.isOperator("%");
    }

    private Expression power() {
        var left = signed(true);
        while (tokens.skipOperator("**")) {
            left = new Expression.Calculation(Operator.POWER, left, signed(true));
        }
        return left;
    }

    private Expression signed(boolean withFilters) {
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
                value = new Expression.Call(value, arguments());
            } else {
                break;
            }
        }
        tokens.leave();
        return value;
    }

    private Expression primary() {
        var token = tokens.next();
        return switch (token.kind()) {
            case NAME ->
                switch (token.text()) {
                    case "true", "True" -> new Expression.Literal(true);
                    case "false", "False" -> new Expression.Literal(false);
                    case "none", "None" -> NONE;
                    default -> read(token.text());
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

    /// Joins adjacent string literals.
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
            throw JinjaException.at(token.line(), digits + " does not fit in 64 bits");
        }
    }

    private Expression parenthesised() {
        if (tokens.skipOperator(")")) {
            return new Expression.TupleOf(List.of());
        }
        var value = tuple(true);
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
            items.add(expression());
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
            var key = expression();
            tokens.expectOperator(":");
            entries.add(new Expression.Entry(key, expression()));
        }
        return new Expression.DictOf(entries);
    }

    private Expression followed(Expression value) {
        var result = value;
        while (true) {
            if (tokens.skipOperator(".")) {
                result = attribute(result);
            } else if (tokens.skipOperator("[")) {
                result = element(result);
            } else if (tokens.current().isOperator("(")) {
                result = new Expression.Call(result, arguments());
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
            keys.add(expression());
        }
        tokens.expectOperator("]");
        return new Expression.Element(owner, keys.size() == 1 ? start : new Expression.TupleOf(keys));
    }

    private Expression bound() {
        boolean leftOut = tokens.current().isOperator(":") || tokens.current().isOperator("]");
        return leftOut ? NONE : expression();
    }

    Expression.FilterCall filter() {
        var name = dottedName();
        return new Expression.FilterCall(name, tokens.current().isOperator("(") ? arguments() : CallArguments.NONE);
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
            given = arguments();
        } else if (startsArgument(tokens.current())) {
            if (tokens.current().isName("is")) {
                throw tokens.fault("You cannot chain multiple tests with is");
            }
            given = new CallArguments(List.of(followed(primary())), List.of(), List.of(), List.of());
        }
        var test = new Expression.Tested(subject, name, given);
        return negated ? new Expression.Not(test) : test;
    }

    /// Whether a test's argument without parentheses begins here, as in `is eq 3`.
    private static boolean startsArgument(Token token) {
        return switch (token.kind()) {
            case NAME -> !token.isName("else") && !token.isName("or") && !token.isName("and");
            case STRING, INTEGER, FLOAT -> true;
            case OPERATOR -> token.isOperator("[") || token.isOperator("{");
            default -> false;
        };
    }

    private CallArguments arguments() {
        tokens.expectOperator("(");
        var arguments = new CallArguments(new ArrayList<>(), new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
        boolean first = true;
        while (!tokens.skipOperator(")")) {
            if (!first) {
                tokens.expectOperator(",");
                if (tokens.skipOperator(")")) {
                    break;
                }
            }
            first = false;
            add(arguments);
        }
        return arguments;
    }

    /// Adds one argument. The kinds of arguments must come in Python's order.
    private void add(CallArguments arguments) {
        boolean spreads =
                !arguments.spread().isEmpty() || !arguments.spreadNamed().isEmpty();
        if (tokens.skipOperator("*")) {
            addInOrder(arguments.spread(), !spreads);
        } else if (tokens.skipOperator("**")) {
            addInOrder(arguments.spreadNamed(), arguments.spreadNamed().isEmpty());
        } else if (tokens.current().kind() == Token.Kind.NAME
                && tokens.following().isOperator("=")) {
            if (!arguments.spreadNamed().isEmpty()) {
                throw outOfOrder();
            }
            var name = tokens.next().text();
            tokens.next();
            arguments.named().add(new Expression.Named(name, expression()));
        } else {
            addInOrder(arguments.positional(), !spreads && arguments.named().isEmpty());
        }
    }

    private void addInOrder(List<Expression> arguments, boolean inOrder) {
        if (!inOrder) {
            throw outOfOrder();
        }
        arguments.add(expression());
    }

    private JinjaException outOfOrder() {
        return tokens.fault("invalid syntax for function call expression");
    }
}
