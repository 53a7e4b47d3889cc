package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Expression.CallArguments;
import java.util.ArrayList;
import java.util.List;

/// Parses the arguments of a call, with their parentheses.
final class ArgumentParser {
    private final TokenStream tokens;
    private final ExpressionParser expressions;

    ArgumentParser(TokenStream tokens, ExpressionParser expressions) {
        this.tokens = tokens;
        this.expressions = expressions;
    }

    CallArguments parse() {
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

    /// Adds one, which may not come after those that Python wants behind it.
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
            arguments.named().add(new Expression.Named(name, expressions.expression()));
        } else {
            addInOrder(arguments.positional(), !spreads && arguments.named().isEmpty());
        }
    }

    private void addInOrder(List<Expression> arguments, boolean inOrder) {
        if (!inOrder) {
            throw outOfOrder();
        }
        arguments.add(expressions.expression());
    }

    private JinjaException outOfOrder() {
        return tokens.fault("invalid syntax for function call expression");
    }
}
