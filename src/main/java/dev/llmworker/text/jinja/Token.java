package dev.llmworker.text.jinja;

/// A piece of a template.
///
/// @param text what it says: a text outside of tags, a name, an operator, an unescaped string, or digits
/// @param line where it begins, from 1
record Token(Kind kind, String text, int line) {
    enum Kind {
        /// Outside of tags, with white space already cut as the tags around it ask.
        TEXT,
        OUTPUT_BEGIN,
        OUTPUT_END,
        TAG_BEGIN,
        TAG_END,
        NAME,
        STRING,
        INTEGER,
        FLOAT,
        OPERATOR,
        END
    }

    boolean isName(String name) {
        return kind == Kind.NAME && text.equals(name);
    }

    boolean isOperator(String operator) {
        return kind == Kind.OPERATOR && text.equals(operator);
    }

    /// For errors.
    String shown() {
        return switch (kind) {
            case END -> "the end of the template";
            case OUTPUT_END -> "'}}'";
            case TAG_END -> "'%}'";
            case TEXT, OUTPUT_BEGIN, TAG_BEGIN -> "the end of a tag";
            case NAME, STRING, INTEGER, FLOAT, OPERATOR -> "'" + text + "'";
        };
    }
}
