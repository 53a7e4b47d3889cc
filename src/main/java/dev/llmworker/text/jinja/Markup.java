package dev.llmworker.text.jinja;

/// A text that `safe` or `escape` marked as HTML: what is added to it by `+` is escaped first.
record Markup(String text) {
    static Markup escaped(Budget budget, Object value) {
        if (value instanceof Markup markup) {
            return markup;
        }
        var source = Printing.str(budget, value);
        var escaped = budget.text();
        int copied = 0;
        for (int at = 0; at < source.length(); at++) {
            var entity = entity(source.charAt(at));
            if (!entity.isEmpty()) {
                escaped.append(source, copied, at).append(entity);
                copied = at + 1;
            }
        }
        return new Markup(escaped.append(source, copied, source.length()).toString());
    }

    private static String entity(char character) {
        return switch (character) {
            case '&' -> "&amp;";
            case '<' -> "&lt;";
            case '>' -> "&gt;";
            case '\'' -> "&#39;";
            case '"' -> "&#34;";
            default -> "";
        };
    }
}
