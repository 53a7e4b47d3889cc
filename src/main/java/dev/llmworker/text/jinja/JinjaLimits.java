package dev.llmworker.text.jinja;

/// The limits of one rendering.
///
/// @param steps evaluated expressions, executed statements and visited elements of collections
/// @param characters UTF-16 units of the output and of each intermediate text. All texts together may have 64 times as
/// many.
/// @param depth nesting of expressions, statements, macro calls and values. A depth of 500 needs at most 512 KiB of
/// stack.
/// @param millis how long it may take
public record JinjaLimits(long steps, int characters, int depth, long millis) {
    private static final long STANDARD_MILLIS = 5_000;

    public JinjaLimits {
        if (steps < 1 || characters < 1 || depth < 1 || millis < 1) {
            throw new IllegalArgumentException("limits are " + steps + " steps, " + characters + " characters, depth "
                    + depth + " and " + millis + " ms; each must be at least 1");
        }
    }

    public JinjaLimits(long steps, int characters, int depth) {
        this(steps, characters, depth, STANDARD_MILLIS);
    }

    public static JinjaLimits standard() {
        return new JinjaLimits(1_000_000, 1 << 20, 500);
    }
}
