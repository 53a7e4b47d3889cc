package dev.llmworker.constraint;

import java.util.function.Consumer;

/// Code points as the bytes of UTF-8.
final class Utf8 {
    /// The last code point of 1, 2, 3 and 4 bytes.
    private static final int[] LAST = {0x7F, 0x7FF, 0xFFFF, Character.MAX_CODE_POINT};

    private Utf8() {}

    /// The sequences of byte ranges that make up a range of code points, as pairs of a low and a high byte.
    static void sequences(int low, int high, Consumer<int[]> sequence) {
        var from = low;
        for (var last : LAST) {
            if (from <= last) {
                var to = Math.min(high, last);
                if (from <= to) {
                    split(from, to, sequence);
                    from = to + 1;
                }
                if (from > high) {
                    return;
                }
            }
        }
    }

    /// Splits a range of characters of the same length until each byte has a range of its own.
    private static void split(int low, int high, Consumer<int[]> sequence) {
        for (var bits = 6; bits <= 18 && high > 0x7F; bits += 6) {
            var mask = (1 << bits) - 1;
            if ((low & ~mask) != (high & ~mask)) {
                if ((low & mask) != 0) {
                    split(low, low | mask, sequence);
                    split((low | mask) + 1, high, sequence);
                    return;
                }
                if ((high & mask) != mask) {
                    split(low, (high & ~mask) - 1, sequence);
                    split(high & ~mask, high, sequence);
                    return;
                }
            }
        }
        var first = encode(low);
        var last = encode(high);
        var bounds = new int[2 * first.length];
        for (var i = 0; i < first.length; i++) {
            bounds[2 * i] = first[i];
            bounds[2 * i + 1] = last[i];
        }
        sequence.accept(bounds);
    }

    private static int[] encode(int c) {
        if (c <= LAST[0]) {
            return new int[] {c};
        }
        if (c <= LAST[1]) {
            return new int[] {0xC0 | c >> 6, 0x80 | c & 0x3F};
        }
        if (c <= LAST[2]) {
            return new int[] {0xE0 | c >> 12, 0x80 | c >> 6 & 0x3F, 0x80 | c & 0x3F};
        }
        return new int[] {0xF0 | c >> 18, 0x80 | c >> 12 & 0x3F, 0x80 | c >> 6 & 0x3F, 0x80 | c & 0x3F};
    }
}
