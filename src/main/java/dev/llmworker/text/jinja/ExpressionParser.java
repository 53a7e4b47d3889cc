package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Expression.Argument;
import dev.llmworker.text.jinja.Expression.Call;
import dev.llmworker.text.jinja.Expression.Filter;
import dev.llmworker.text.jinja.Tokens.Kind;
import dev.llmworker.text.jinja.Tokens.Token;
import dev.llmworker.text.jinja.Values.None;
import dev.llmworker.text.jinja.Values.Sequence;
import dev.llmworker.text.jinja.Values.Undefined;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;

/// Parses expressions with jinja2's precedence. From the loosest to the tightest: `if`, `or`, `and`, `not`,
/// comparisons, `+ -`, `~`, `* / // %`, signs. Attributes, calls, filters and tests bind tightest.
final class ExpressionParser {
    private static final int MAX_SHOWN_DIGITS = 80;
    private static final Expression NONE = literal(None.NONE);
    private static final Expression NO_ELSE =
            literal(new Undefined("the inline if-expression evaluated to false and no else section was defined."));
    static final Map<String, Object> CONSTANTS =
            Map.of("true", true, "True", true, "false", false, "False", false, "none", None.NONE, "None", None.NONE);
    private static final Set<String> RELATIONS = Set.of("==", "!=", "<", "<=", ">", ">=", "in");
    /// Operators of two operands, from the loosest to the tightest.
    private static final List<Set<String>> OPERATORS =
            List.of(Set.of("+", "-"), Set.of("~"), Set.of("*", "/", "//", "%"));

    private final Tokens tokens;

    ExpressionParser(Tokens tokens) {
        this.tokens = tokens;
    }

    private static Expression literal(Object value) {
        return _ -> value;
    }

    Expression expression() {
        tokens.enter();
        var value = disjunction();
        while (tokens.skip("if")) {
            var then = value;
            var condition = disjunction();
            var otherwise = tokens.skip("else") ? expression() : NO_ELSE;
            value = scope -> (condition.isTrue(scope) ? then : otherwise).value(scope);
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
        while (!endsTuple(tokens.current())) {
            items.add(conditional ? expression() : disjunction());
            if (!tokens.skip(",")) {
                break;
            }
            tuple = true;
        }
        if (items.isEmpty()) {
            throw tokens.fault("Expected an expression, got " + tokens.current().shown());
        }
        return tuple ? tuple(items) : items.getFirst();
    }

    private static Expression tuple(List<Expression> items) {
        return scope -> new Sequence("tuple", Expression.values(items, scope));
    }

    private static boolean endsTuple(Token token) {
        return switch (token.kind()) {
            case OUTPUT_END, TAG_END, END -> true;
            default -> token.is(")");
        };
    }

    private Expression disjunction() {
        return logical("or", true, () -> logical("and", false, this::negation));
    }

    /// @param decides the truth of a left operand that makes it the result
    private Expression logical(String operator, boolean decides, Supplier<Expression> operand) {
        var value = operand.get();
        while (tokens.skip(operator)) {
            var left = value;
            var right = operand.get();
            value = scope -> {
                var first = left.value(scope);
                return Values.isTrue(first) == decides ? first : right.value(scope);
            };
        }
        return value;
    }

    private Expression negation() {
        if (!tokens.skip("not")) {
            return comparison();
        }
        tokens.enter();
        var operand = negation();
        tokens.leave();
        return scope -> !operand.isTrue(scope);
    }

    /// `a < b <= c`. Each operand is evaluated at most once, and none after the first comparison that fails.
    private Expression comparison() {
        record Link(String relation, Expression operand) {}
        var first = arithmetic(0);
        var links = new ArrayList<Link>();
        while (true) {
            boolean negated = tokens.current().is("not") && tokens.following().is("in");
            if (negated) {
                tokens.next();
            }
            if (!tokens.current().isOneOf(RELATIONS)) {
                break;
            }
            links.add(new Link((negated ? "not " : "") + tokens.next().text(), arithmetic(0)));
        }
        if (links.isEmpty()) {
            return first;
        }
        return scope -> {
            var left = first.value(scope);
            for (var link : links) {
                var right = link.operand().value(scope);
                if (!Operators.holds(scope.budget(), link.relation(), left, right)) {
                    return false;
                }
                left = right;
            }
            return true;
        };
    }

    private Expression arithmetic(int level) {
        if (level == OPERATORS.size()) {
            return signed(true);
        }
        var value = arithmetic(level + 1);
        while (tokens.current().isOneOf(OPERATORS.get(level))) {
            var operator = tokens.next().text();
            var left = value;
            var right = arithmetic(level + 1);
            value = operator.equals("~")
                    ? concatenation(left, right)
                    : scope -> Operators.calculate(scope.budget(), operator, left.value(scope), right.value(scope));
        }
        return value;
    }

    /// `a ~ b ~ c`.
    private Expression concatenation(Expression first, Expression second) {
        var parts = new ArrayList<>(List.of(first, second));
        while (tokens.skip("~")) {
            parts.add(arithmetic(2));
        }
        return scope -> {
            var text = scope.budget().text();
            parts.forEach(part -> text.append(Printing.str(scope.budget(), part.value(scope))));
            return text.toString();
        };
    }

    private Expression signed(boolean withFilters) {
        tokens.enter();
        Expression value;
        if (tokens.current().is("-") || tokens.current().is("+")) {
            var sign = tokens.next().text();
            var operand = signed(false);
            value = scope -> Operators.signed(sign, operand.value(scope));
        } else {
            value = primary();
        }
        value = followed(value);
        while (withFilters) {
            if (tokens.skip("|")) {
                var input = value;
                var filter = filter();
                value = scope -> filter.apply(input.value(scope), scope);
            } else if (tokens.skip("is")) {
                value = test(value);
            } else if (tokens.current().is("(")) {
                value = new Call(value, arguments());
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
            case NAME -> name(token.text());
            case STRING -> strings(token);
            case INTEGER -> literal(integer(token));
            case FLOAT -> literal(Double.valueOf(token.text()));
            case OPERATOR ->
                switch (token.text()) {
                    case "(" -> parenthesised();
                    case "[" -> {
                        var items = list("]", this::expression);
                        yield scope -> Expression.values(items, scope);
                    }
                    case "{" -> dict();
                    default -> throw token.unexpected();
                };
            case TEXT, OUTPUT_BEGIN, OUTPUT_END, TAG_BEGIN, TAG_END, END -> throw token.unexpected();
        };
    }

    private Expression name(String name) {
        var constant = CONSTANTS.get(name);
        if (constant != null) {
            return literal(constant);
        }
        return scope -> scope.variable(name);
    }

    /// Joins adjacent string literals.
    private Expression strings(Token first) {
        var text = new StringBuilder(first.text());
        while (tokens.current().kind() == Kind.STRING) {
            text.append(tokens.next().text());
        }
        return literal(text.toString());
    }

    private static Long integer(Token token) {
        var digits = token.text();
        try {
            return Long.valueOf(digits);
        } catch (NumberFormatException e) {
            var shown = digits.length() <= MAX_SHOWN_DIGITS ? digits : "a number of " + digits.length() + " digits";
            throw JinjaException.at(token.line(), shown + " does not fit in 64 bits");
        }
    }

    private Expression parenthesised() {
        if (tokens.skip(")")) {
            return tuple(List.of());
        }
        var value = tuple(true);
        tokens.expect(")");
        return value;
    }

    /// Items with commas between them, and perhaps one after the last, up to a closing bracket.
    private <T> List<T> list(String closing, Supplier<T> item) {
        var items = new ArrayList<T>();
        while (!tokens.skip(closing)) {
            if (!items.isEmpty()) {
                tokens.expect(",");
                if (tokens.skip(closing)) {
                    break;
                }
            }
            items.add(item.get());
        }
        return items;
    }

    private Expression dict() {
        record Entry(Expression key, Expression value) {}
        var entries = list("}", () -> {
            var key = expression();
            tokens.expect(":");
            return new Entry(key, expression());
        });
        return scope -> {
            var dict = new LinkedHashMap<Object, Object>();
            for (var entry : entries) {
                var key = Values.key(scope.budget(), entry.key().value(scope));
                dict.put(key, entry.value().value(scope));
            }
            return dict;
        };
    }

    private Expression followed(Expression value) {
        var result = value;
        while (true) {
            if (tokens.skip(".")) {
                result = attribute(result);
            } else if (tokens.skip("[")) {
                result = element(result);
            } else if (tokens.current().is("(")) {
                result = new Call(result, arguments());
            } else {
                return result;
            }
        }
    }

    private Expression attribute(Expression owner) {
        var token = tokens.next();
        return switch (token.kind()) {
            case NAME -> scope -> Subscripts.attribute(scope.budget(), owner.value(scope), token.text());
            case INTEGER -> element(owner, literal(integer(token)));
            default -> throw JinjaException.at(token.line(), "expected name or number, got " + token.shown());
        };
    }

    private static Expression element(Expression owner, Expression key) {
        return scope -> Subscripts.element(scope.budget(), owner.value(scope), key.value(scope));
    }

    private Expression element(Expression owner) {
        var start = bound();
        if (tokens.skip(":")) {
            var stop = bound();
            var step = tokens.skip(":") ? bound() : NONE;
            tokens.expect("]");
            return scope -> Subscripts.slice(
                    scope.budget(), owner.value(scope), start.value(scope), stop.value(scope), step.value(scope));
        }
        var keys = new ArrayList<>(List.of(start));
        while (tokens.skip(",")) {
            keys.add(expression());
        }
        tokens.expect("]");
        return element(owner, keys.size() == 1 ? start : tuple(keys));
    }

    private Expression bound() {
        return tokens.current().is(":") || tokens.current().is("]") ? NONE : expression();
    }

    Filter filter() {
        return new Filter(dottedName(), tokens.current().is("(") ? arguments() : List.of());
    }

    private String dottedName() {
        var name = new StringBuilder(tokens.expectName());
        while (tokens.skip(".")) {
            name.append('.').append(tokens.expectName());
        }
        return name.toString();
    }

    private Expression test(Expression subject) {
        boolean negated = tokens.skip("not");
        var name = dottedName();
        List<Argument> arguments = List.of();
        if (tokens.current().is("(")) {
            arguments = arguments();
        } else if (startsArgument(tokens.current())) {
            if (tokens.current().is("is")) {
                throw tokens.fault("You cannot chain multiple tests with is");
            }
            arguments = List.of(new Argument(null, followed(primary())));
        }
        var given = arguments;
        return scope -> {
            var value = subject.value(scope);
            return Tests.holds(scope.budget(), name, value, Argument.values(given, scope)) != negated;
        };
    }

    /// Whether a test's argument without parentheses begins here, as in `is eq 3`.
    private static boolean startsArgument(Token token) {
        return switch (token.kind()) {
            case NAME -> !token.isOneOf(Set.of("else", "or", "and"));
            case STRING, INTEGER, FLOAT -> true;
            default -> token.is("[") || token.is("{");
        };
    }

    private List<Argument> arguments() {
        tokens.expect("(");
        var arguments = list(")", this::argument);
        for (int i = 1; i < arguments.size(); i++) {
            if (arguments.get(i).name() == null && arguments.get(i - 1).name() != null) {
                throw tokens.fault("invalid syntax for function call expression");
            }
        }
        return arguments;
    }

    private Argument argument() {
        boolean named =
                tokens.current().kind() == Kind.NAME && tokens.following().is("=");
        var name = named ? tokens.next().text() : null;
        if (named) {
            tokens.expect("=");
        }
        return new Argument(name, expression());
    }
}
