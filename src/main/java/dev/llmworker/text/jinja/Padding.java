package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Rendering.Budget;

/// Filling a text up to a width.
final class Padding {
    private Padding() {}

    /// @param align `<` and `>` as `str.format` has them, `^` as it centres, and `c` as `str.center` does, which puts
    /// the odd one of the fill on the other side for an odd width
    static String pad(Budget budget, String text, long width, String fill, char align) {
        budget.fits(width);
        long missing = width - PythonText.length(text);
        if (missing <= 0) {
            return text;
        }
        long left = switch (align) {
            case '<' -> 0;
            case '>' -> missing;
            case 'c' -> missing / 2 + (missing & width & 1);
            default -> missing / 2;
        };
        return budget.text()
                .repeat(fill, left)
                .append(text)
                .repeat(fill, missing - left)
                .toString();
    }
}
