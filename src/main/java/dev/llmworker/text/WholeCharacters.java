package dev.llmworker.text;

/// Joins the pieces of a text whose borders may lie within a character, as half a surrogate pair. A half waits for the
/// other one. If that never comes, the text ends before it; in the middle of a text it becomes U+FFFD.
///
/// Threading: one thread at a time.
public final class WholeCharacters {
    private static final char REPLACEMENT = '\uFFFD';

    /// The first half of a pair, or empty.
    private String half = "";

    /// Takes the next piece.
    ///
    /// @return what is complete
    public String push(String piece) {
        var text = half + piece;
        var complete = withoutHalf(text);
        half = text.substring(complete.length());
        return wellFormed(complete);
    }

    /// Whether half a character waits for the other half.
    public boolean isWaiting() {
        return !half.isEmpty();
    }

    /// A text without the half of a pair at its end.
    public static String withoutHalf(String text) {
        return text.isEmpty() || !Character.isHighSurrogate(text.charAt(text.length() - 1))
                ? text
                : text.substring(0, text.length() - 1);
    }

    /// The beginning of a text: at most this many UTF-16 units.
    public static String beginning(String text, int most) {
        return text.length() <= most ? text : withoutHalf(text.substring(0, most));
    }

    /// The text with U+FFFD for each half of a pair; the text itself if it has none.
    public static String wellFormed(String text) {
        StringBuilder replaced = null;
        for (var i = brokenAt(text, 0); i >= 0; i = brokenAt(text, i + 1)) {
            if (replaced == null) {
                replaced = new StringBuilder(text);
            }
            replaced.setCharAt(i, REPLACEMENT);
        }
        return replaced == null ? text : replaced.toString();
    }

    /// The first half of a pair without its other half, at or after `from`; -1 if there is none.
    public static int brokenAt(String text, int from) {
        for (var i = from; i < text.length(); i++) {
            var c = text.charAt(i);
            if (Character.isHighSurrogate(c) && i + 1 < text.length() && Character.isLowSurrogate(text.charAt(i + 1))) {
                i++;
            } else if (Character.isSurrogate(c)) {
                return i;
            }
        }
        return -1;
    }
}
