package dev.llmworker.text;

import java.util.BitSet;
import java.util.function.IntPredicate;

/// Keeps names of control tokens plain text although the tokenizer would find them.
///
/// A guarded text has [#BREAK] after the first character of such a name, so that the name is not there any more. The
/// tokenizer takes all breaks out again after it has looked for names. A text's own U+FDD0 and U+FDD1 are escaped.
///
/// Threading: any thread.
public final class NameGuard {
    /// Unicode reserves these for use within programs; no text has a reason to contain one.
    public static final char BREAK = '\uFDD0';

    public static final char ESCAPE = '\uFDD1';
    /// Follows [#ESCAPE] for a text's own [#BREAK].
    public static final char ESCAPED_BREAK = '\uFDD2';
    /// Follows [#ESCAPE] for a text's own [#ESCAPE].
    public static final char ESCAPED_ESCAPE = '\uFDD3';

    private final TokenNames names;

    NameGuard(TokenNames names) {
        this.names = names;
    }

    /// Whether a name can be broken. A single character cannot: a tokenizer of guarded texts must not look for it.
    public static boolean canBreak(String name) {
        return name.codePointCount(0, name.length()) > 1;
    }

    /// A text in which every name is plain text.
    String plain(String text) {
        return guarded(text, _ -> true);
    }

    /// A text in which every name is a token.
    static String escaped(String text) {
        return isGuarded(text)
                ? text.replace(String.valueOf(ESCAPE), "" + ESCAPE + ESCAPED_ESCAPE)
                        .replace(String.valueOf(BREAK), "" + ESCAPE + ESCAPED_BREAK)
                : text;
    }

    /// A text in which some names are plain text.
    ///
    /// @param marked has `mark` before each of these names
    String marked(String marked, char mark) {
        var text = new StringBuilder(marked.length());
        var plain = new BitSet();
        for (var i = 0; i < marked.length(); i++) {
            if (marked.charAt(i) == mark) {
                plain.set(text.length());
            } else {
                text.append(marked.charAt(i));
            }
        }
        return guarded(text.toString(), plain::get);
    }

    private String guarded(String text, IntPredicate isPlain) {
        var guarded = new StringBuilder(text.length() + 16);
        var breakAt = -1;
        for (var i = 0; i < text.length(); i++) {
            TextEncoder.stopIfInterrupted(i);
            if (i == breakAt) {
                guarded.append(BREAK);
            }
            if (isPlain.test(i) && names.isAt(text, i)) {
                breakAt = i + Character.charCount(text.codePointAt(i));
            }
            switch (text.charAt(i)) {
                case BREAK -> guarded.append(ESCAPE).append(ESCAPED_BREAK);
                case ESCAPE -> guarded.append(ESCAPE).append(ESCAPED_ESCAPE);
                default -> guarded.append(text.charAt(i));
            }
        }
        return guarded.length() == text.length() ? text : guarded.toString();
    }

    /// Whether [#unguarded] would change the text.
    public static boolean isGuarded(String text) {
        return text.indexOf(BREAK) >= 0 || text.indexOf(ESCAPE) >= 0;
    }

    /// The text itself, without breaks and escapes.
    public static String unguarded(String guarded) {
        if (!isGuarded(guarded)) {
            return guarded;
        }
        return guarded.replace(String.valueOf(BREAK), "")
                .replace("" + ESCAPE + ESCAPED_BREAK, String.valueOf(BREAK))
                .replace("" + ESCAPE + ESCAPED_ESCAPE, String.valueOf(ESCAPE));
    }
}
