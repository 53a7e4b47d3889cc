package dev.llmworker.hub;

import java.util.regex.Pattern;

/// Text as a user must write it in a shell.
final class ShellWord {
    private static final Pattern PLAIN = Pattern.compile("[A-Za-z0-9_./:@%+=,-]+");

    private ShellWord() {}

    /// The text itself if it means itself, or else in single quotes.
    static String of(String text) {
        return PLAIN.matcher(text).matches() ? text : "'" + text.replace("'", "'\\''") + "'";
    }
}
