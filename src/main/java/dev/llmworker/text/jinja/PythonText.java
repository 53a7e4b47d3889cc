package dev.llmworker.text.jinja;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Texts as Python counts and cuts them: by code points, with Unicode's white space.
final class PythonText {
    /// Needles up to this length are searched for plainly; longer ones so that the time does not grow with both
    /// lengths.
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

    /// Cuts off white space, or any of the characters given.
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

    /// The UTF-16 index of the first occurrence at or after one, or -1.
    static int find(String text, String needle, int from) {
        if (needle.length() <= PLAIN_SEARCH_LENGTH) {
            return text.indexOf(needle, from);
        }
        // Knuth, Morris and Pratt: border[i] is how much of the needle still matches after i characters matched.
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

    static int findLast(String text, String needle) {
        if (needle.length() <= PLAIN_SEARCH_LENGTH) {
            return text.lastIndexOf(needle);
        }
        int found = find(reversed(text), reversed(needle), 0);
        return found < 0 ? -1 : text.length() - found - needle.length();
    }

    private static String reversed(String text) {
        // Unit by unit, unlike StringBuilder's: the index of the match is wanted, not the text.
        var units = new char[text.length()];
        for (int i = 0; i < units.length; i++) {
            units[i] = text.charAt(units.length - 1 - i);
        }
        return new String(units);
    }

    static int count(String text, String needle) {
        if (needle.isEmpty()) {
            return length(text) + 1;
        }
        int count = 0;
        for (int at = find(text, needle, 0); at >= 0; at = find(text, needle, at + needle.length())) {
            count++;
        }
        return count;
    }

    /// Replaces from the left, so many times; all if negative.
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
            // The empty text is found between characters, not within a surrogate pair.
            searched = !old.isEmpty()
                    ? copied
                    : found + (found < text.length() ? Character.charCount(text.codePointAt(found)) : 1);
        }
        return replaced.append(text, copied, text.length()).toString();
    }

    /// In the order of code points, which UTF-16's is not.
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
}
