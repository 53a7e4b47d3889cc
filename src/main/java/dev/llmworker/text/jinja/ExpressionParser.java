package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Arithmetic.Operator;
import dev.llmworker.text.jinja.Expression.Relation;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Parses expressions by jinja2's precedence, loosest first: `if`, `or`, `and`, `not`, comparisons, `+ -`, `~`,
/// `* / // %`, `**`, signs, then what follows a value: attributes, calls, filters and tests.
final class ExpressionParser {
    private final TokenStream tokens;
    private final OperandParser operands;
    private Set<String> namesRead = new HashSet<>();

    ExpressionParser(TokenStream tokens) {
        this.tokens = tokens;
        this.operands = new OperandParser(tokens, this);
    }

    OperandParser operands() {
        return operands;
    }

    /// Names that expressions read since the last call, which began a macro's body.
    Set<String> exchangeNamesRead(Set<String> names) {
        var read = namesRead;
        namesRead = names;
        return read;
    }

    Expression.Name read(String name) {
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
    /// @param conditional whether `if` belongs to the expression, which it does not after `in` of a loop
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

    Expression disjunction() {
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

    /// Passes a comparison's sign, if there is one.
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
        var left = operands.signed(true);
        while (tokens.skipOperator("**")) {
            left = new Expression.Calculation(Operator.POWER, left, operands.signed(true));
        }
        return left;
    }
}
