package dev.llmworker.weights;

import dev.llmworker.weights.content.Packed;
import dev.llmworker.weights.content.Tensor;
import dev.llmworker.weights.content.TensorType;
import dev.llmworker.weights.content.ValueType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// A matrix of codes. An element is `(value of its code - zero point) * scale`; zero point and scale are those
/// of its row and of its column's group.
///
/// It is written in blocks of the same codes if [#type()] has blocks, and as float16 otherwise. Blocks have float16
/// scales. A scale in another type, a minimum (`-zero * scale`) and a float16 element are rounded once: by at most 1 in
/// 2^11, or by 2^-25 if they are below 2^-14.
final class QuantisedMatrix implements Packed {
    /// The largest float16.
    private static final float MOST = 65_504;
    /// Elements that a thread writes at once.
    private static final int TILE_ELEMENTS = 1 << 20;

    /// Elements of all codes are computed once for a group, if they are not many more than the columns.
    private static final int MOST_TABLED = 4;

    private static final int BLOCK = 32;
    private static final long LOW_7_BITS = 0x7F7F_7F7F_7F7F_7F7FL;
    private static final long ONES = 0x0101_0101_0101_0101L;

    private final TensorType type;
    private final int rows;
    private final int columns;
    private final Codes codes;
    private final float[] values;
    private final @Nullable Zeros zeros;
    private final Scales scales;
    private final Groups groups;
    private final long storedBytes;

    /// Zero points by row and group.
    ///
    /// @param values of each code
    record Zeros(Codes codes, float... values) {
        float at(long row, int group) {
            return values[codes.at(row, group)];
        }
    }

    /// Scales by row and group.
    sealed interface Scales {
        float at(long row, int group);
    }

    /// @param rowsEach rows that share a scale
    /// @param rowStride numbers from one row to the next
    /// @param groupStride likewise for groups
    record PlainScales(Tensor numbers, float factor, long rowsEach, long rowStride, long groupStride)
            implements Scales {
        @Override
        public float at(long row, int group) {
            return number(numbers, row / rowsEach * rowStride + group * groupStride) * factor;
        }

        PlainScales times(float more) {
            return new PlainScales(numbers, factor * more, rowsEach, rowStride, groupStride);
        }
    }

    /// Scales that are quantised themselves; each row has one.
    ///
    /// @param rowsEach rows that share a scale of scales
    record DoubleScales(MemorySegment codes, Tensor scales, int rowsEach, float offset, float... values)
            implements Scales {
        @Override
        public float at(long row, int group) {
            return values[Byte.toUnsignedInt(codes.get(ValueLayout.JAVA_BYTE, row))] * number(scales, row / rowsEach)
                    + offset;
        }
    }

    /// Which group each column belongs to.
    ///
    /// @param size of groups of adjacent columns
    /// @param byColumn the group of each column, checked; null if adjacent ones are a group
    record Groups(int count, int size, @Nullable MemorySegment byColumn) {
        int[] all(int columns) {
            return byColumn == null
                    ? IntStream.range(0, columns).map(column -> column / size).toArray()
                    : byColumn.toArray(ValueType.INT);
        }

        /// Whether the elements of a block have one scale.
        boolean holdBlocks(int columns) {
            return byColumn == null && columns % BLOCK == 0 && (size % BLOCK == 0 || size >= columns);
        }
    }

    /// @param type Q4_0, Q4_1 or Q8_0 if the groups hold blocks and the values are adjacent whole numbers; or F16
    /// @param values of each code
    /// @param zeros null: all are 0
    /// @param storedBytes of all parts
    QuantisedMatrix(
            TensorType type,
            int rows,
            int columns,
            Codes codes,
            float[] values,
            @Nullable Zeros zeros,
            Scales scales,
            Groups groups,
            long storedBytes) {
        this.type = type;
        this.rows = rows;
        this.columns = columns;
        this.codes = codes;
        this.values = values;
        this.zeros = zeros;
        this.scales = scales;
        this.groups = groups;
        this.storedBytes = storedBytes;
    }

    TensorType type() {
        return type;
    }

    @Override
    public long storedBytes() {
        return storedBytes;
    }

    @Override
    public Packed part(int index, long parts) {
        if (parts != 1) {
            throw new IllegalArgumentException("a matrix has no " + parts + " parts");
        }
        return this;
    }

    @Override
    public void write(MemorySegment to) {
        var group = groups.all(columns);
        var each = codes.rowsEach();
        var tile = Math.max(1, TILE_ELEMENTS / columns / each) * each;
        IntStream.range(0, Math.ceilDiv(rows, tile)).parallel().forEach(i -> {
            var first = i * tile;
            write(first, Math.min(tile, rows - first), group, to);
        });
    }

    private void write(int first, int count, int[] group, MemorySegment to) {
        var read = new byte[count * columns];
        codes.read(first, count, columns, read);
        float[] scale = new float[groups.count()], zero = new float[groups.count()];
        var table = new short[groups.count()][0];
        var isTabled = type == TensorType.F16 && (long) groups.count() * values.length <= (long) MOST_TABLED * columns;
        var rowBytes = columns / type.blockElements() * type.blockBytes();
        var halves = new short[columns];
        var blocks = new byte[rowBytes];
        for (var row = 0; row < count; row++) {
            for (var i = 0; i < scale.length; i++) {
                float itsScale = scales.at(first + row, i), itsZero = zero(first + row, i);
                var isSame = row > 0 && itsScale == scale[i] && itsZero == zero[i];
                scale[i] = itsScale;
                zero[i] = itsZero;
                if (!isSame && isTabled) {
                    table[i] = halves(itsScale, itsZero);
                }
            }
            var at = (long) (first + row) * rowBytes;
            if (type.blockElements() > 1) {
                for (var block = 0; block < columns / BLOCK; block++) {
                    var one = group[block * BLOCK];
                    writeBlock(read, row * columns + block * BLOCK, scale[one], zero[one], blocks, block);
                }
                MemorySegment.copy(blocks, 0, to, ValueLayout.JAVA_BYTE, at, rowBytes);
            } else {
                for (var i = 0; i < columns; i++) {
                    int code = Byte.toUnsignedInt(read[row * columns + i]), one = group[i];
                    halves[i] =
                            isTabled ? table[one][code] : Float.floatToFloat16((values[code] - zero[one]) * scale[one]);
                }
                MemorySegment.copy(halves, 0, to, ValueType.SHORT, at, columns);
            }
        }
    }

    /// The element of each code.
    private short[] halves(float scale, float zero) {
        var halves = new short[values.length];
        for (var code = 0; code < halves.length; code++) {
            halves[code] = Float.floatToFloat16((values[code] - zero) * scale);
        }
        return halves;
    }

    private void writeBlock(byte[] read, int from, float scale, float zero, byte[] to, int block) {
        var at = block * type.blockBytes();
        at = writeHalf(scale, to, at);
        if (type == TensorType.Q8_0) {
            for (var i = 0; i < BLOCK; i++) {
                to[at + i] = (byte) (int) (values[Byte.toUnsignedInt(read[from + i])] - zero);
            }
            return;
        }
        if (type == TensorType.Q4_1) {
            at = writeHalf((values[0] - zero) * scale, to, at);
        }
        for (var i = 0; i < BLOCK / 2; i++) {
            to[at + i] = (byte) (read[from + i] | read[from + i + BLOCK / 2] << 4);
        }
    }

    private static int writeHalf(float value, byte[] to, int at) {
        var half = Float.floatToFloat16(value);
        to[at] = (byte) half;
        to[at + 1] = (byte) (half >>> Byte.SIZE);
        return at + Short.BYTES;
    }

    private float zero(long row, int group) {
        return zeros == null ? 0 : zeros.at(row, group);
    }

    @Override
    public Optional<String> problem() {
        var at = firstNan();
        return at < codes.words().byteSize() ? Optional.of("has " + value(at) + " at element " + at) : scaleProblem();
    }

    /// The first code that stands for NaN, or behind the last code. Only floats of 8 bits have such codes: all bits but
    /// the sign are set.
    private long firstNan() {
        var bytes = codes.words();
        if (IntStream.range(0, values.length).noneMatch(i -> Float.isNaN(values[i]))) {
            return bytes.byteSize();
        }
        var wide = bytes.byteSize() / Long.BYTES * Long.BYTES;
        var at = 0L;
        // Adding 1 to the lowest 7 bits sets the highest one only if all of them are set.
        while (at < wide && ((bytes.get(ValueType.LONG, at) & LOW_7_BITS) + ONES & ~LOW_7_BITS) == 0) {
            at += Long.BYTES;
        }
        while (at < bytes.byteSize() && !Float.isNaN(value(at))) {
            at++;
        }
        return at;
    }

    private float value(long index) {
        return values[Byte.toUnsignedInt(codes.words().get(ValueLayout.JAVA_BYTE, index))];
    }

    private Optional<String> scaleProblem() {
        float least = 0, most = 0;
        for (var value : values) {
            // A NaN is no number's code here.
            least = value < least ? value : least;
            most = value > most ? value : most;
        }
        for (var row = 0; row < rows; row++) {
            for (var group = 0; group < groups.count(); group++) {
                float scale = scales.at(row, group), zero = zero(row, group);
                var largest = Math.abs(scale) * Math.max(Math.abs(most - zero), Math.abs(least - zero));
                if (!(largest <= MOST)) {
                    return Optional.of("has a scale of " + scale + " in row " + row + ", group " + group
                            + (Float.isFinite(scale) ? ", with which numbers may be above " + MOST : ""));
                }
                if (type == TensorType.Q8_0 && (least - zero < Byte.MIN_VALUE || most - zero > Byte.MAX_VALUE)) {
                    return Optional.of("has the zero point " + zero + " in row " + row + ", group " + group
                            + ", although quantization_config says that it is symmetric");
                }
            }
        }
        return Optional.empty();
    }

    /// A number of a tensor that is not quantised.
    static float number(Tensor tensor, long index) {
        var data = tensor.data();
        if (tensor.type() == TensorType.F32) {
            return Float.intBitsToFloat(data.get(ValueType.INT, index * Integer.BYTES));
        }
        var bits = data.get(ValueType.SHORT, index * Short.BYTES);
        return tensor.type() == TensorType.F16 ? Float.float16ToFloat(bits) : Float.intBitsToFloat(bits << Short.SIZE);
    }

    /// All numbers of a small tensor.
    static float[] numbers(Tensor tensor) {
        var numbers = new float[Math.toIntExact(tensor.elements())];
        for (var i = 0; i < numbers.length; i++) {
            numbers[i] = number(tensor, i);
        }
        return numbers;
    }
}
