package dev.llmworker.text.chat;

import java.util.regex.Pattern;

/// Ids of calls for templates that take nothing but nine letters and digits, as those of Mistral's models.
final class ShortIds {
    private static final Pattern SHORT = Pattern.compile("[a-zA-Z0-9]{9}");
    private static final int LENGTH = 9;

    private ShortIds() {}

    /// The id itself if it is short, otherwise another one, which is always the same.
    static String of(String id) {
        if (SHORT.matcher(id).matches()) {
            return id;
        }
        var hash = 1125899906842597L;
        for (var i = 0; i < id.length(); i++) {
            hash = 31 * hash + id.charAt(i);
        }
        var digits = "0".repeat(LENGTH) + Long.toUnsignedString(hash, Character.MAX_RADIX);
        return digits.substring(digits.length() - LENGTH);
    }
}
