package dev.llmworker.constraint;

import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;

/// Code points as the bytes of UTF-8.
final class Utf8 {
    /// The last code point of 1, 2, 3 and 4 bytes.
    private static final int[] LAST = {0x7F, 0x7FF, 0xFFFF, Character.MAX_CODE_POINT};

    private Utf8() {}

    /// The sequences of byte ranges that make up a set of code points, as pairs of a low and a high byte.
    static void sequences(CodePoints set, Consumer<int[]> sequence) {
        for (var i = 0; i < set.bounds().length; i += 2) {
            sequences(set.bounds()[i], set.bounds()[i + 1], sequence);
        }
    }

    private static void sequences(int low, int high, Consumer<int[]> sequence) {
        var from = low;
        for (var last : LAST) {
            if (from <= Math.min(high, last)) {
                split(from, Math.min(high, last), sequence);
                from = last + 1;
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
        var first = Character.toString(low).getBytes(StandardCharsets.UTF_8);
        var last = Character.toString(high).getBytes(StandardCharsets.UTF_8);
        var bounds = new int[2 * first.length];
        for (var i = 0; i < first.length; i++) {
            bounds[2 * i] = first[i] & 0xFF;
            bounds[2 * i + 1] = last[i] & 0xFF;
        }
        sequence.accept(bounds);
    }
}
