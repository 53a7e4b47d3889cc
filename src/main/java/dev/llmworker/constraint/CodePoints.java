package dev.llmworker.constraint;

import java.util.Arrays;
import java.util.Collection;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;

/// A set of code points: the bounds of its ranges, both inclusive, ascending and apart from each other.
/// Surrogates are in no set, because UTF-8 has none.
record CodePoints(int... bounds) {
    static final int LAST = Character.MAX_CODE_POINT;
    static final CodePoints NONE = new CodePoints();
    static final CodePoints ALL = new CodePoints(0, Character.MIN_SURROGATE - 1, Character.MAX_SURROGATE + 1, LAST);

    static CodePoints of(int... bounds) {
        return new CodePoints(bounds);
    }

    /// The characters of a text.
    static CodePoints anyOf(String characters) {
        return union(characters.codePoints().mapToObj(c -> new CodePoints(c, c)).toList());
    }

    /// All that some of the sets have.
    static CodePoints union(Collection<CodePoints> sets) {
        if (sets.size() == 1) {
            return sets.iterator().next();
        }
        // The bounds in one number each, so that they sort as ranges.
        var ranges = sets.stream()
                .flatMapToLong(set -> IntStream.range(0, set.bounds.length / 2)
                        .mapToLong(i -> (long) set.bounds[2 * i] << 32 | set.bounds[2 * i + 1]))
                .sorted()
                .toArray();
        var joined = new int[2 * ranges.length];
        var count = 0;
        for (var range : ranges) {
            var low = (int) (range >> 32);
            var high = (int) range;
            if (count > 0 && low <= joined[count - 1] + 1) {
                joined[count - 1] = Math.max(joined[count - 1], high);
            } else {
                joined[count++] = low;
                joined[count++] = high;
            }
        }
        return new CodePoints(Arrays.copyOf(joined, count));
    }

    static CodePoints where(IntPredicate member) {
        var found = new int[64];
        var count = 0;
        var inside = false;
        for (var c = 0; c <= LAST + 1; c++) {
            var is = c <= LAST && !(c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE) && member.test(c);
            if (is != inside) {
                if (count == found.length) {
                    found = Arrays.copyOf(found, 2 * count);
                }
                found[count++] = is ? c : c - 1;
                inside = is;
            }
        }
        return new CodePoints(Arrays.copyOf(found, count));
    }

    boolean isEmpty() {
        return bounds.length == 0;
    }

    boolean contains(int c) {
        for (var i = 0; i < bounds.length; i += 2) {
            if (c >= bounds[i] && c <= bounds[i + 1]) {
                return true;
            }
        }
        return false;
    }

    CodePoints or(CodePoints other) {
        return not().and(other.not()).not();
    }

    CodePoints minus(CodePoints other) {
        return and(other.not());
    }

    CodePoints and(CodePoints other) {
        var result = new int[bounds.length + other.bounds.length + 2];
        var count = 0;
        var i = 0;
        var j = 0;
        while (i < bounds.length && j < other.bounds.length) {
            var low = Math.max(bounds[i], other.bounds[j]);
            var high = Math.min(bounds[i + 1], other.bounds[j + 1]);
            if (low <= high) {
                result[count++] = low;
                result[count++] = high;
            }
            if (bounds[i + 1] < other.bounds[j + 1]) {
                i += 2;
            } else {
                j += 2;
            }
        }
        return new CodePoints(Arrays.copyOf(result, count));
    }

    CodePoints not() {
        var gaps = new int[bounds.length + 2];
        var count = 0;
        var next = 0;
        for (var i = 0; i < bounds.length; i += 2) {
            if (bounds[i] > next) {
                gaps[count++] = next;
                gaps[count++] = bounds[i] - 1;
            }
            next = bounds[i + 1] + 1;
        }
        if (next <= LAST) {
            gaps[count++] = next;
            gaps[count++] = LAST;
        }
        var all = new CodePoints(Arrays.copyOf(gaps, count));
        return count == 2 && gaps[0] == 0 && gaps[1] == LAST ? ALL : all.and(ALL);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof CodePoints set && Arrays.equals(bounds, set.bounds);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(bounds);
    }
}
