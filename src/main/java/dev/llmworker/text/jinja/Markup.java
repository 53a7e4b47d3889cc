package dev.llmworker.text.jinja;

import org.jspecify.annotations.Nullable;

/// A text that `safe` marked as HTML. As in jinja2, `+` escapes the other operand.
record Markup(String text) {
    static Markup escaped(Budget budget, Object value) {
        if (value instanceof Markup markup) {
            return markup;
        }
        var out = budget.text();
        PythonText.escape(Printing.str(budget, value), out, Markup::entity);
        return new Markup(out.toString());
    }

    private static @Nullable String entity(int character) {
        return switch (character) {
            case '&' -> "&amp;";
            case '<' -> "&lt;";
            case '>' -> "&gt;";
            case '\'' -> "&#39;";
            case '"' -> "&#34;";
            default -> null;
        };
    }

    /// The text, as markup if the value that it comes from is markup.
    static Object like(Object value, String text) {
        return value instanceof Markup ? new Markup(text) : text;
    }
}
