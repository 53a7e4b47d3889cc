package dev.llmworker.text.jinja;

import dev.llmworker.text.jinja.Budget.Text;
import dev.llmworker.text.jinja.Values.None;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.function.IntFunction;
import java.util.function.IntPredicate;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Python's operations on texts. They count code points, not UTF-16 units, and use Unicode's white space.
final class PythonText {
    /// The pattern of a character for which [#isSpace(int)] holds.
    static final String SPACE = "[\\t-\\r\\x1c-\\x1f\\x85\\p{Z}]";

    private static final Pattern NO_SPACES = Pattern.compile(SPACE.replace("[", "[^") + "++");
    private static final Pattern LINE_END = Pattern.compile("\\r\\n|[\\n-\\r\\x1c-\\x1e\\x85\\u2028\\u2029]");
    private static final Pattern CASED = Pattern.compile("[\\p{IsUppercase}\\p{IsLowercase}\\p{Lt}]++");
    private static final Pattern TITLE_FILTER_WORD = Pattern.compile("[^-({\\[<\\t-\\r\\x1c-\\x1f\\x85\\p{Z}]++");
    /// The longest needle for a plain search. For longer ones, a search in linear time bounds the work.
    private static final int PLAIN_SEARCH_LENGTH = 64;

    private PythonText() {}

    static int length(Budget budget, String text) {
        budget.scan(text.length());
        return text.codePointCount(0, text.length());
    }

    static List<Object> characters(Budget budget, String text) {
        budget.characters(text.length());
        var characters = new ArrayList<Object>(text.length());
        text.codePoints().forEach(character -> characters.add(Character.toString(character)));
        return characters;
    }

    /// The character at an index, which counts from the end if it is negative; null if there is none.
    static @Nullable String at(Budget budget, String text, long index) {
        budget.scan(text.length());
        try {
            int at = text.offsetByCodePoints(index < 0 ? text.length() : 0, Math.toIntExact(index));
            return at == text.length() ? null : Character.toString(text.codePointAt(at));
        } catch (ArithmeticException | IndexOutOfBoundsException e) {
            return null;
        }
    }

    static String slice(Budget budget, String text, Object start, Object stop, Object step) {
        var indices = Range.ofSlice(start, stop, step, length(budget, text));
        if (indices.isEmpty()) {
            return "";
        }
        if (step == None.NONE || Values.index(step, "slice indices") == 1) {
            int from = text.offsetByCodePoints(0, indices.get(0).intValue());
            int to = text.offsetByCodePoints(from, indices.size());
            budget.characters(to - from);
            return text.substring(from, to);
        }
        budget.characters(text.length());
        var codePoints = text.codePoints().toArray();
        var slice = new StringBuilder();
        indices.forEach(index -> slice.appendCodePoint(codePoints[((Long) index).intValue()]));
        return slice.toString();
    }

    static boolean isSpace(int codePoint) {
        return codePoint == ' '
                || codePoint >= '\t' && codePoint <= '\r'
                || codePoint >= 0x1c && codePoint <= 0x1f
                || codePoint == 0x85
                || codePoint == 0xa0
                || codePoint > 0xff && Character.isSpaceChar(codePoint);
    }

    /// Removes white space from the ends.
    static String strip(String text, boolean left, boolean right) {
        return strip(text, PythonText::isSpace, left, right);
    }

    /// Removes white space, or any of the given characters, from the ends.
    static String strip(Budget budget, String text, @Nullable String characters, boolean left, boolean right) {
        if (characters == null) {
            return strip(text, left, right);
        }
        budget.characters(characters.length());
        var cut = new HashSet<Integer>();
        characters.codePoints().forEach(cut::add);
        return strip(text, cut::contains, left, right);
    }

    private static String strip(String text, IntPredicate isCut, boolean left, boolean right) {
        int start = 0;
        int end = text.length();
        while (left && start < end && isCut.test(text.codePointAt(start))) {
            start += Character.charCount(text.codePointAt(start));
        }
        while (right && start < end && isCut.test(text.codePointBefore(end))) {
            end -= Character.charCount(text.codePointBefore(end));
        }
        return text.substring(start, end);
    }

    /// Appends a text with some of its characters replaced.
    ///
    /// @param replacement of a code point; null keeps it
    static void escape(String text, Text out, IntFunction<@Nullable String> replacement) {
        int copied = 0;
        for (int at = 0; at < text.length(); ) {
            int character = text.codePointAt(at);
            var replaced = replacement.apply(character);
            if (replaced != null) {
                out.append(text, copied, at).append(replaced);
                copied = at + Character.charCount(character);
            }
            at += Character.charCount(character);
        }
        out.append(text, copied, text.length());
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
        int shared = Math.min(left.length(), right.length());
        for (int at = 0; at < shared; at++) {
            if (left.charAt(at) != right.charAt(at)) {
                return Integer.compare(codePoint(left, at), codePoint(right, at));
            }
        }
        return Integer.compare(left.length(), right.length());
    }

    /// The character of which the UTF-16 unit at an index is a part.
    private static int codePoint(String text, int index) {
        boolean isSecond = index > 0 && Character.isSurrogatePair(text.charAt(index - 1), text.charAt(index));
        return text.codePointAt(isSecond ? index - 1 : index);
    }

    static String upper(String text) {
        return text.toUpperCase(Locale.ROOT);
    }

    static String lower(String text) {
        return text.toLowerCase(Locale.ROOT);
    }

    static String capitalize(String text) {
        return withFirst(text, PythonText::titled);
    }

    /// Python's method `title`. A letter begins a word if no letter is before it.
    static String title(String text) {
        return CASED.matcher(text).replaceAll(word -> capitalize(word.group()));
    }

    /// Jinja's filter `title`. White space, hyphens and opening brackets separate words.
    static String titleFilter(String text) {
        return TITLE_FILTER_WORD
                .matcher(text)
                .replaceAll(word -> Matcher.quoteReplacement(withFirst(word.group(), PythonText::upper)));
    }

    /// The text in lower case, but for its first character.
    private static String withFirst(String text, UnaryOperator<String> change) {
        int first = text.isEmpty() ? 0 : text.offsetByCodePoints(0, 1);
        return change.apply(text.substring(0, first)) + lower(text.substring(first));
    }

    private static String titled(String character) {
        // A character whose upper case has two characters, such as ß, has no title case. Python writes Ss.
        var upper = upper(character);
        if (upper.codePointCount(0, upper.length()) > 1) {
            return upper.substring(0, 1) + lower(upper.substring(1));
        }
        return character.isEmpty() ? "" : Character.toString(Character.toTitleCase(character.codePointAt(0)));
    }

    /// Splits at a separator, or at runs of white space if it is null. The parts are texts.
    ///
    /// @param times the most splits; negative for no limit
    static List<Object> split(Budget budget, String text, @Nullable String separator, long times) {
        var parts = new ArrayList<Object>();
        if (separator == null) {
            var word = NO_SPACES.matcher(text);
            for (long left = times; word.find(); left--) {
                parts.add(part(budget, text, word.start(), left == 0 ? text.length() : word.end()));
                if (left == 0) {
                    break;
                }
            }
            return parts;
        }
        if (separator.isEmpty()) {
            throw new JinjaException("empty separator");
        }
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

    /// Splits at every line end that Python knows. `\r\n` is one line end.
    static List<Object> lines(Budget budget, String text, boolean keepEnds) {
        var lines = new ArrayList<Object>();
        int start = 0;
        for (var end = LINE_END.matcher(text); end.find(); start = end.end()) {
            lines.add(part(budget, text, start, keepEnds ? end.end() : end.start()));
        }
        if (start < text.length()) {
            lines.add(part(budget, text, start, text.length()));
        }
        return lines;
    }

    private static String part(Budget budget, String text, int start, int end) {
        budget.step();
        budget.characters(end - start);
        return text.substring(start, end);
    }
}
