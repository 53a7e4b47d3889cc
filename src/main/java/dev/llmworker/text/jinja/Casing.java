package dev.llmworker.text.jinja;

import java.util.Locale;
import java.util.function.IntPredicate;

/// Upper and lower case as Python's str knows them.
final class Casing {
    private Casing() {}

    static String upper(String text) {
        return text.toUpperCase(Locale.ROOT);
    }

    static String lower(String text) {
        return text.toLowerCase(Locale.ROOT);
    }

    static String capitalize(String text) {
        if (text.isEmpty()) {
            return text;
        }
        int first = Character.charCount(text.codePointAt(0));
        return titled(text.codePointAt(0)) + lower(text.substring(first));
    }

    static String swapCase(String text) {
        var swapped = new StringBuilder();
        text.codePoints().forEach(character -> {
            var one = Character.toString(character);
            swapped.append(Character.isUpperCase(character) ? lower(one) : upper(one));
        });
        return swapped.toString();
    }

    /// Python's method: a letter after anything but a letter begins a word.
    static String title(String text) {
        var title = new StringBuilder();
        boolean within = false;
        for (int at = 0; at < text.length(); at += Character.charCount(text.codePointAt(at))) {
            int character = text.codePointAt(at);
            title.append(within ? lower(Character.toString(character)) : titled(character));
            within = isCased(character);
        }
        return title.toString();
    }

    /// Jinja's filter: words are parted by white space, hyphens and opening brackets.
    static String titleFilter(String text) {
        var title = new StringBuilder();
        var word = new StringBuilder();
        for (int at = 0; at < text.length(); at += Character.charCount(text.codePointAt(at))) {
            int character = text.codePointAt(at);
            if (PythonText.isSpace(character) || "-({[<".indexOf(character) >= 0) {
                finishWord(word, title);
                title.appendCodePoint(character);
            } else {
                word.appendCodePoint(character);
            }
        }
        finishWord(word, title);
        return title.toString();
    }

    private static void finishWord(StringBuilder word, StringBuilder title) {
        if (!word.isEmpty()) {
            int first = Character.charCount(word.codePointAt(0));
            title.append(upper(word.substring(0, first))).append(lower(word.substring(first)));
            word.setLength(0);
        }
    }

    static boolean isUpper(String text) {
        return text.codePoints().anyMatch(Character::isUpperCase)
                && text.codePoints().noneMatch(c -> Character.isLowerCase(c) || Character.isTitleCase(c));
    }

    static boolean isLower(String text) {
        return text.codePoints().anyMatch(Character::isLowerCase)
                && text.codePoints().noneMatch(c -> Character.isUpperCase(c) || Character.isTitleCase(c));
    }

    /// Whether there are characters, and all of one kind.
    static boolean all(String text, IntPredicate kind) {
        return !text.isEmpty() && text.codePoints().allMatch(kind);
    }

    static boolean isNumeric(int character) {
        int type = Character.getType(character);
        return type == Character.DECIMAL_DIGIT_NUMBER
                || type == Character.LETTER_NUMBER
                || type == Character.OTHER_NUMBER;
    }

    private static boolean isCased(int character) {
        return Character.isUpperCase(character) || Character.isLowerCase(character) || Character.isTitleCase(character);
    }

    private static String titled(int character) {
        int title = Character.toTitleCase(character);
        // One character whose capital is two, such as ß, has no title case of its own: Python writes Ss.
        var upper = upper(Character.toString(character));
        if (title == character && upper.codePointCount(0, upper.length()) > 1) {
            return upper.substring(0, 1) + lower(upper.substring(1));
        }
        return Character.toString(title);
    }
}
