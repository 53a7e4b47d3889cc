package dev.llmworker.text;

import java.text.Normalizer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;

/// Puts long runs of combining marks into Unicode's canonical order, in little more than linear time. A
/// normalizer sorts them by insertion: a run of 100,000 marks takes it seconds. Once they are in order it has
/// nothing to do.
///
/// A text and the ordered text are canonically equivalent: every normalizer makes the same of both.
final class CanonicalOrder {
    /// Unicode's stream-safe format has no longer runs.
    private static final int LONG_RUN = 30;
    /// Has the highest combining class: every other mark goes before it.
    private static final int LAST = 0x345;

    /// Negative if one mark goes before the other, 0 if both stay as they are.
    private static final Comparator<String> ORDER = (left, right) -> {
        if (left.equals(right)) {
            return 0;
        }
        return swaps(left, right) ? 1 : swaps(right, left) ? -1 : 0;
    };

    private CanonicalOrder() {}

    static String ordered(String text) {
        StringBuilder ordered = null;
        var copied = 0;
        for (var start = 0; start < text.length(); ) {
            var end = start;
            while (end < text.length() && isMark(text.codePointAt(end))) {
                end += Character.charCount(text.codePointAt(end));
            }
            if (end - start > LONG_RUN) {
                ordered = ordered == null ? new StringBuilder(text.length()) : ordered;
                ordered.append(text, copied, start);
                sort(text.substring(start, end), ordered);
                copied = end;
            }
            start = end == start ? end + Character.charCount(text.codePointAt(end)) : end;
        }
        return ordered == null
                ? text
                : ordered.append(text, copied, text.length()).toString();
    }

    private static boolean isMark(int character) {
        return character >= 0x300 && Character.getType(character) == Character.NON_SPACING_MARK
                || character >= 0x300 && Character.getType(character) == Character.COMBINING_SPACING_MARK;
    }

    private static void sort(String run, StringBuilder ordered) {
        var marks = new ArrayList<String>(run.length());
        // Some marks are two in one.
        var decomposed = new HashMap<Integer, List<String>>();
        run.codePoints().forEach(mark -> marks.addAll(decomposed.computeIfAbsent(mark, CanonicalOrder::decomposed)));
        var moves = new HashMap<String, Boolean>();
        for (var start = 0; start < marks.size(); ) {
            var end = start;
            while (end < marks.size() && moves.computeIfAbsent(marks.get(end), CanonicalOrder::moves)) {
                end++;
            }
            byClass(marks.subList(start, end)).forEach(ordered::append);
            start = end;
            if (start < marks.size()) {
                ordered.append(marks.get(start++));
            }
        }
    }

    private static List<String> decomposed(int mark) {
        return Normalizer.normalize(Character.toString(mark), Normalizer.Form.NFD)
                .codePoints()
                .mapToObj(Character::toString)
                .toList();
    }

    /// A run has few different marks, so these are sorted, and then the run by their ranks.
    private static List<String> byClass(List<String> marks) {
        var different = marks.stream().distinct().sorted(ORDER).toList();
        var ranks = new HashMap<String, Integer>();
        var rank = 0;
        for (var i = 0; i < different.size(); i++) {
            rank += i > 0 && ORDER.compare(different.get(i - 1), different.get(i)) != 0 ? 1 : 0;
            ranks.put(different.get(i), rank);
        }
        return marks.stream().sorted(Comparator.comparingInt(ranks::get)).toList();
    }

    /// Whether a mark has a combining class.
    private static boolean moves(String mark) {
        return mark.codePointAt(0) == LAST || swaps(Character.toString(LAST), mark);
    }

    private static boolean swaps(String left, String right) {
        return Normalizer.normalize(left + right, Normalizer.Form.NFD).equals(right + left);
    }
}
