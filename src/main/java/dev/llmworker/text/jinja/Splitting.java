package dev.llmworker.text.jinja;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Python's ways to take a text apart. The lists hold texts.
final class Splitting {
    private Splitting() {}

    /// At a separator, or at runs of white space if there is none; at most so many times, any number if negative.
    static List<Object> split(Budget budget, String text, @Nullable String separator, long times) {
        if (separator == null) {
            return splitAtSpace(budget, text, times);
        }
        checked(separator);
        var parts = new ArrayList<Object>();
        int start = 0;
        for (long left = times; left != 0; left--) {
            int found = PythonText.find(text, separator, start);
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
        var rest = PythonText.strip(text, null, true, false);
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
            while (start < text.length() && PythonText.isSpace(text.charAt(start))) {
                start++;
            }
        }
        return parts;
    }

    private static int wordEnd(String text, int start) {
        int end = start;
        // White space is never a surrogate.
        while (end < text.length() && !PythonText.isSpace(text.charAt(end))) {
            end++;
        }
        return end;
    }

    /// As [#split], from the right.
    static List<Object> splitFromRight(Budget budget, String text, @Nullable String separator, long times) {
        var parts = new ArrayList<Object>();
        var rest = separator == null ? PythonText.strip(text, null, false, true) : text;
        if (separator != null) {
            checked(separator);
        }
        for (long left = times; left != 0; left--) {
            int found = separator == null ? lastWordStart(rest) : PythonText.findLast(rest, separator);
            if (separator == null ? found <= 0 : found < 0) {
                break;
            }
            budget.characters(rest.length());
            parts.add(part(budget, rest, separator == null ? found : found + separator.length(), rest.length()));
            rest = rest.substring(0, found);
            rest = separator == null ? PythonText.strip(rest, null, false, true) : rest;
        }
        if (separator != null || !rest.isEmpty()) {
            parts.add(rest);
        }
        Collections.reverse(parts);
        return parts;
    }

    private static int lastWordStart(String text) {
        int start = text.length();
        while (start > 0 && !PythonText.isSpace(text.charAt(start - 1))) {
            start--;
        }
        return start;
    }

    private static void checked(String separator) {
        if (separator.isEmpty()) {
            throw new JinjaException("empty separator");
        }
    }

    /// At all that Python takes for the end of a line, which for `\r\n` is one.
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

    /// Before, separator and after, at the first or the last place.
    static Tuple partition(String text, String separator, boolean last) {
        checked(separator);
        int found = last ? PythonText.findLast(text, separator) : PythonText.find(text, separator, 0);
        if (found < 0) {
            return last ? Tuple.of("", "", text) : Tuple.of(text, "", "");
        }
        return Tuple.of(text.substring(0, found), separator, text.substring(found + separator.length()));
    }

    private static String part(Budget budget, String text, int start, int end) {
        budget.step();
        budget.characters(end - start);
        return text.substring(start, end);
    }
}
