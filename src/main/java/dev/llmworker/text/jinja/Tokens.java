package dev.llmworker.text.jinja;

import java.util.List;
import java.util.Set;

/// The tokens of a template during parsing, and how deeply nested the parser is.
final class Tokens {
    /// The most brackets, operators and tags inside each other. The parser needs a few stack frames for each.
    private static final int MAX_NESTING = 100;

    private final List<Token> tokens;
    private int position;
    private int nesting;

    Tokens(String template) {
        this.tokens = Lexer.tokens(template);
    }

    Token current() {
        return tokens.get(position);
    }

    Token following() {
        return tokens.get(Math.min(position + 1, tokens.size() - 1));
    }

    /// Returns the current token and moves past it. The last token stays.
    Token next() {
        var token = current();
        position = Math.min(position + 1, tokens.size() - 1);
        return token;
    }

    /// Moves past the current token if it is this name or operator.
    boolean skip(String symbol) {
        boolean matches = current().is(symbol);
        if (matches) {
            next();
        }
        return matches;
    }

    void expect(String symbol) {
        if (!skip(symbol)) {
            throw fault("expected '" + symbol + "', got " + current().shown());
        }
    }

    String expectName() {
        return expect(Kind.NAME).text();
    }

    Token expect(Kind kind) {
        if (current().kind() != kind) {
            throw fault("expected " + kind.shown + ", got " + current().shown());
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

    enum Kind {
        /// Text outside of tags, without the white space that the tags around it remove.
        TEXT("the end of a tag"),
        OUTPUT_BEGIN("the end of a tag"),
        OUTPUT_END("'}}'"),
        TAG_BEGIN("the end of a tag"),
        TAG_END("'%}'"),
        NAME("a name"),
        STRING("a str"),
        INTEGER("a number"),
        FLOAT("a number"),
        OPERATOR("an operator"),
        END("the end of the template");

        private final String shown;

        Kind(String shown) {
            this.shown = shown;
        }
    }

    /// A token of a template.
    ///
    /// @param text a text outside of tags, a name, an operator, an unescaped string, or digits
    /// @param line the line it begins on, from 1
    record Token(Kind kind, String text, int line) {
        /// Whether it is this name or operator.
        boolean is(String symbol) {
            return (kind == Kind.NAME || kind == Kind.OPERATOR) && text.equals(symbol);
        }

        boolean isOneOf(Set<String> symbols) {
            return (kind == Kind.NAME || kind == Kind.OPERATOR) && symbols.contains(text);
        }

        /// The token as error messages show it.
        String shown() {
            return switch (kind) {
                case NAME, STRING, INTEGER, FLOAT, OPERATOR -> "'" + text + "'";
                case TEXT, OUTPUT_BEGIN, OUTPUT_END, TAG_BEGIN, TAG_END, END -> kind.shown;
            };
        }

        JinjaException unexpected() {
            return JinjaException.at(line, "unexpected " + shown());
        }
    }
}
