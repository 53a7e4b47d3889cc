package dev.llmworker.text.jinja;

/// The limits of one rendering.
///
/// @param steps evaluated expressions, executed statements and visited elements of collections
/// @param characters UTF-16 units of the output and of each intermediate text. All texts together may have 64 times as
/// many.
/// @param depth nesting of expressions, statements, macro calls and values. A depth of 500 needs at most 512 KiB of
/// stack.
public record JinjaLimits(long steps, int characters, int depth) {
    public JinjaLimits {
        if (steps < 1 || characters < 1 || depth < 1) {
            throw new IllegalArgumentException("limits are " + steps + " steps, " + characters
                    + " characters and depth " + depth + "; each must be at least 1");
        }
    }

    public static JinjaLimits standard() {
        return new JinjaLimits(1_000_000, 1 << 20, 500);
    }
}
