package dev.llmworker.text.jinja;

/// What one rendering may use.
///
/// @param steps expressions evaluated, statements executed and elements of collections visited
/// @param characters UTF-16 units of the output, and of any text on the way to it; all texts made together may have 64
/// times as many
/// @param depth expressions, statements, macro calls and values within each other; 500 need 512 KiB of stack at most
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
