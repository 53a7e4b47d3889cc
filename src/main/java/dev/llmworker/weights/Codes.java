package dev.llmworker.weights;

import dev.llmworker.weights.content.ValueType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.stream.IntStream;

/// Whole numbers of 4 or 8 bits, several in a word, as a table of rows and columns.
///
/// @param wordBytes 4 or 1
/// @param rowsEach rows that share a word; 1 if columns do
/// @param columnsEach columns that share a word; 1 if rows do
/// @param rowStride words from one row, or from one group of rows that share words, to the next
/// @param columnStride likewise for columns
/// @param shifts where in a word each of its numbers begins
/// @param mask the lowest bits of a number
record Codes(
        MemorySegment words,
        int wordBytes,
        int rowsEach,
        int columnsEach,
        long rowStride,
        long columnStride,
        Shifts shifts,
        int mask) {
    /// Columns of words that are read together.
    private static final int RUN = 16;

    /// The bits at which the numbers of a word begin.
    record Shifts(int... bits) {
        /// The first number is in the lowest bits.
        static Shifts ascending(int bits, int wordBytes) {
            return new Shifts(IntStream.range(0, wordBytes * Byte.SIZE / bits)
                    .map(i -> i * bits)
                    .toArray());
        }

        int count() {
            return bits.length;
        }
    }

    /// A number for each byte, row after row.
    static Codes ofBytes(MemorySegment bytes, long rowStride) {
        return new Codes(bytes, 1, 1, 1, rowStride, 1, Shifts.ascending(Byte.SIZE, 1), 0xFF);
    }

    int at(long row, long column) {
        var within = (int) (rowsEach > 1 ? row % rowsEach : column % columnsEach);
        return word(row / rowsEach, column / columnsEach) >>> shifts.bits()[within] & mask;
    }

    private int word(long row, long column) {
        var at = row * rowStride + column * columnStride;
        return wordBytes == 1
                ? Byte.toUnsignedInt(words.get(ValueLayout.JAVA_BYTE, at))
                : words.get(ValueType.INT, at * Integer.BYTES);
    }

    /// Reads some rows, a byte for each number.
    ///
    /// @param first a multiple of [#rowsEach]
    void read(int first, int count, int columns, byte[] to) {
        if (shifts.count() == 1) {
            MemorySegment.copy(
                    words, ValueLayout.JAVA_BYTE, (long) first * columns, to, 0, Math.multiplyExact(count, columns));
            return;
        }
        int rowWords = Math.ceilDiv(count, rowsEach), columnWords = Math.ceilDiv(columns, columnsEach);
        // Words of one row may be far apart: those of a few columns stay in the processor's cache.
        for (var start = 0; start < columnWords; start += RUN) {
            var end = Math.min(columnWords, start + RUN);
            for (var row = 0; row < rowWords; row++) {
                for (var column = start; column < end; column++) {
                    spread(
                            word(first / rowsEach + row, column),
                            row * rowsEach,
                            column * columnsEach,
                            count,
                            columns,
                            to);
                }
            }
        }
    }

    /// The numbers of a word, as far as the table has them.
    private void spread(int word, int row, int column, int rows, int columns, byte[] to) {
        var bits = shifts.bits();
        var at = row * columns + column;
        var used = rowsEach > 1 ? Math.min(bits.length, rows - row) : Math.min(bits.length, columns - column);
        var step = rowsEach > 1 ? columns : 1;
        for (var i = 0; i < used; i++) {
            to[at + i * step] = (byte) (word >>> bits[i] & mask);
        }
    }
}
