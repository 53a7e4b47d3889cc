package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Token.Kind;
import java.util.List;

/// The tokens of a template while it is parsed, and how deep the parser is in them.
final class TokenStream {
    /// Brackets, operators and tags within each other; the parser needs a few frames of stack for each.
    static final int MAX_NESTING = 100;

    private final List<Token> tokens;
    private int position;
    private int nesting;

    TokenStream(List<Token> tokens) {
        this.tokens = tokens;
    }

    Token current() {
        return tokens.get(position);
    }

    Token following() {
        return tokens.get(Math.min(position + 1, tokens.size() - 1));
    }

    /// The current token, which then is passed. The last one stays.
    Token next() {
        var token = current();
        if (position < tokens.size() - 1) {
            position++;
        }
        return token;
    }

    boolean skipName(String name) {
        return skip(current().isName(name));
    }

    boolean skipOperator(String operator) {
        return skip(current().isOperator(operator));
    }

    private boolean skip(boolean matches) {
        if (matches) {
            next();
        }
        return matches;
    }

    void expectOperator(String operator) {
        if (!skipOperator(operator)) {
            throw fault("expected '" + operator + "', got " + current().shown());
        }
    }

    void expectName(String name) {
        if (!skipName(name)) {
            throw fault("expected '" + name + "', got " + current().shown());
        }
    }

    String expectAnyName() {
        return expect(Kind.NAME, "a name").text();
    }

    Token expect(Kind kind, String what) {
        if (current().kind() != kind) {
            throw fault("expected " + what + ", got " + current().shown());
        }
        return next();
    }

    void enter() {
        if (++nesting > MAX_NESTING) {
            throw fault("nested deeper than " + MAX_NESTING + " levels, the limit");
        }
    }

    void leave() {
        nesting--;
    }

    JinjaException fault(String reason) {
        return JinjaException.at(current().line(), reason);
    }
}
