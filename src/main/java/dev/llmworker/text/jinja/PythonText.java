package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Rendering.Budget;
import dev.llmworker.text.jinja.Values.Range;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// Python's operations on texts. They count code points, not UTF-16 units, and use Unicode's white space.
final class PythonText {
    /// The longest needle for a plain search. For longer ones, a search in linear time bounds the work.
    private static final int PLAIN_SEARCH_LENGTH = 64;

    private PythonText() {}

    static int length(String text) {
        return text.codePointCount(0, text.length());
    }

    static List<Object> characters(Budget budget, String text) {
        budget.characters(text.length());
        var characters = new ArrayList<Object>(text.length());
        text.codePoints().forEach(character -> characters.add(Character.toString(character)));
        return characters;
    }

    static String slice(Budget budget, String text, Object start, Object stop, Object step) {
        budget.scan(text.length());
        var indices = Range.ofSlice(start, stop, step, length(text));
        if (indices.step() == 1) {
            if (indices.length() == 0) {
                return "";
            }
            int from = text.offsetByCodePoints(0, (int) indices.start());
            int to = text.offsetByCodePoints(from, (int) indices.length());
            budget.characters(to - from);
            return text.substring(from, to);
        }
        var codePoints = text.codePoints().toArray();
        var slice = budget.text();
        for (var index : indices.items()) {
            slice.appendCodePoint(codePoints[(int) (long) (Long) index]);
        }
        return slice.toString();
    }

    static boolean isSpace(int codePoint) {
        return codePoint == ' '
                || codePoint >= '\t' && codePoint <= '\r'
                || codePoint >= 0x1c && codePoint <= 0x1f
                || codePoint == 0x85
                || codePoint == 0xa0
                || codePoint > 0xff && (Character.isSpaceChar(codePoint));
    }

    static boolean isSpace(String text) {
        return !text.isEmpty() && text.codePoints().allMatch(PythonText::isSpace);
    }

    /// Removes white space, or any of the given characters, from the ends.
    static String strip(String text, @Nullable String characters, boolean left, boolean right) {
        int start = 0;
        int end = text.length();
        while (left && start < end && isCut(text.codePointAt(start), characters)) {
            start += Character.charCount(text.codePointAt(start));
        }
        while (right && start < end && isCut(text.codePointBefore(end), characters)) {
            end -= Character.charCount(text.codePointBefore(end));
        }
        return text.substring(start, end);
    }

    private static boolean isCut(int codePoint, @Nullable String characters) {
        return characters == null ? isSpace(codePoint) : characters.indexOf(codePoint) >= 0;
    }

    /// The UTF-16 index of the first occurrence at or after `from`, or -1.
    static int find(String text, String needle, int from) {
        if (needle.length() <= PLAIN_SEARCH_LENGTH) {
            return text.indexOf(needle, from);
        }
        // Knuth, Morris and Pratt: border[i] is how much of the needle still matches if i characters matched.
        var border = new int[needle.length() + 1];
        border[0] = -1;
        for (int i = 0, matched = -1; i < needle.length(); border[++i] = ++matched) {
            while (matched >= 0 && needle.charAt(i) != needle.charAt(matched)) {
                matched = border[matched];
            }
        }
        for (int i = from, matched = 0; i < text.length(); i++) {
            while (matched >= 0 && text.charAt(i) != needle.charAt(matched)) {
                matched = border[matched];
            }
            if (++matched == needle.length()) {
                return i - matched + 1;
            }
        }
        return -1;
    }

    /// Replaces the first `times` occurrences, or all if `times` is negative.
    static String replace(Budget budget, String text, String old, String replacement, long times) {
        budget.characters(text.length());
        var replaced = budget.text();
        int copied = 0;
        int searched = 0;
        for (long left = times; left != 0; left--) {
            int found = searched > text.length() ? -1 : find(text, old, searched);
            if (found < 0) {
                break;
            }
            replaced.append(text, copied, found).append(replacement);
            copied = found + old.length();
            // The empty text occurs between characters, never inside a surrogate pair.
            searched = !old.isEmpty()
                    ? copied
                    : found + (found < text.length() ? Character.charCount(text.codePointAt(found)) : 1);
        }
        return replaced.append(text, copied, text.length()).toString();
    }

    /// Compares by code points. The order of UTF-16 units is different.
    static int compare(String left, String right) {
        int common = Math.min(left.length(), right.length());
        for (int i = 0; i < common; i++) {
            char a = left.charAt(i);
            char b = right.charAt(i);
            if (a != b) {
                return Character.isSurrogate(a) == Character.isSurrogate(b)
                        ? Character.compare(a, b)
                        : Boolean.compare(Character.isSurrogate(a), Character.isSurrogate(b));
            }
        }
        return Integer.compare(left.length(), right.length());
    }

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

    /// Python's method `title`. A letter begins a word if no letter is before it.
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

    /// Jinja's filter `title`. White space, hyphens and opening brackets separate words.
    static String titleFilter(String text) {
        var title = new StringBuilder();
        var word = new StringBuilder();
        for (int at = 0; at < text.length(); at += Character.charCount(text.codePointAt(at))) {
            int character = text.codePointAt(at);
            if (isSpace(character) || "-({[<".indexOf(character) >= 0) {
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

    private static boolean isCased(int character) {
        return Character.isUpperCase(character) || Character.isLowerCase(character) || Character.isTitleCase(character);
    }

    private static String titled(int character) {
        int title = Character.toTitleCase(character);
        // A character whose upper case has two characters, such as ß, has no title case. Python writes Ss.
        var upper = upper(Character.toString(character));
        if (title == character && upper.codePointCount(0, upper.length()) > 1) {
            return upper.substring(0, 1) + lower(upper.substring(1));
        }
        return Character.toString(title);
    }

    /// Splits at a separator, or at runs of white space if it is null. The parts are texts.
    ///
    /// @param times the most splits; negative for no limit
    static List<Object> split(Budget budget, String text, @Nullable String separator, long times) {
        if (separator == null) {
            return splitAtSpace(budget, text, times);
        }
        checked(separator);
        var parts = new ArrayList<Object>();
        int start = 0;
        for (long left = times; left != 0; left--) {
            int found = find(text, separator, start);
            if (found < 0) {
                break;
            }
            parts.add(part(budget, text, start, found));
            start = found + separator.length();
        }
        parts.add(part(budget, text, start, text.length()));
        return parts;
    }

    private static List<Object> splitAtSpace(Budget budget, String text, long times) {
        var parts = new ArrayList<Object>();
        var rest = strip(text, null, true, false);
        int start = text.length() - rest.length();
        long left = times;
        while (start < text.length()) {
            int end = left == 0 ? text.length() : wordEnd(text, start);
            if (left-- == 0) {
                parts.add(part(budget, text, start, end));
                break;
            }
            parts.add(part(budget, text, start, end));
            start = end;
            while (start < text.length() && isSpace(text.charAt(start))) {
                start++;
            }
        }
        return parts;
    }

    private static int wordEnd(String text, int start) {
        int end = start;
        // No white space is a surrogate.
        while (end < text.length() && !isSpace(text.charAt(end))) {
            end++;
        }
        return end;
    }

    private static void checked(String separator) {
        if (separator.isEmpty()) {
            throw new JinjaException("empty separator");
        }
    }

    /// Splits at every line end that Python knows. `\r\n` is one line end.
    static List<Object> lines(Budget budget, String text, boolean keepEnds) {
        var lines = new ArrayList<Object>();
        int start = 0;
        for (int at = 0; at < text.length(); at++) {
            char character = text.charAt(at);
            if (isLineEnd(character)) {
                int end = character == '\r' && at + 1 < text.length() && text.charAt(at + 1) == '\n' ? at + 2 : at + 1;
                lines.add(part(budget, text, start, keepEnds ? end : at));
                start = end;
                at = end - 1;
            }
        }
        if (start < text.length()) {
            lines.add(part(budget, text, start, text.length()));
        }
        return lines;
    }

    private static boolean isLineEnd(char character) {
        return character >= '\n' && character <= '\r'
                || character >= 0x1c && character <= 0x1e
                || character == 0x85
                || character == 0x2028
                || character == 0x2029;
    }

    private static String part(Budget budget, String text, int start, int end) {
        budget.step();
        budget.characters(end - start);
        return text.substring(start, end);
    }
}
