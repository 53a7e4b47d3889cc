package dev.llmworker.weights;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.weights.Codes.Shifts;
import dev.llmworker.weights.Quantisation.Layout;
import dev.llmworker.weights.Quantisation.Scheme;
import dev.llmworker.weights.QuantisedMatrix.DoubleScales;
import dev.llmworker.weights.QuantisedMatrix.Groups;
import dev.llmworker.weights.QuantisedMatrix.PlainScales;
import dev.llmworker.weights.QuantisedMatrix.Scales;
import dev.llmworker.weights.QuantisedMatrix.Zeros;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.Tensor;
import dev.llmworker.weights.content.TensorType;
import dev.llmworker.weights.content.ValueType;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.IntToDoubleFunction;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// Makes one tensor of the parts of each quantised matrix. Sources of the layouts: AutoGPTQ, GPTQModel, AutoAWQ,
/// compressed-tensors, bitsandbytes, and transformers' `FineGrainedFP8Config`.
final class QuantisedParts {
    private static final int WORD_BYTES = 4;
    /// An unpacked row must fit into memory.
    private static final long MOST = 1 << 26;

    /// The whole numbers of a byte stand for parts of this in bitsandbytes' 8 bits.
    private static final float MOST_OF_BYTES = 127;

    private static final int MANTISSA_BITS = 3;
    private static final int LEAST_EXPONENT = -9;
    /// Where in a word AutoAWQ puts each of 8 rows.
    private static final Shifts AWQ_SHIFTS = new Shifts(0, 16, 4, 20, 8, 24, 12, 28);
    /// The first of two numbers is in the higher half of a byte.
    private static final Shifts HIGH_FIRST = new Shifts(4, 0);
    /// Scales of activations and of the KV cache: both stay unquantised here.
    private static final Pattern UNUSED = Pattern.compile(
            ".+\\.(?:(?:input|output|activation|k|v|q|prob)_(?:scale|zero_point|global_scale)|weight_format)");

    private static final String BIAS = ".bias";
    private static final Pattern QUERIES_KEYS_VALUES = Pattern.compile("^[qkv](?=_proj)");

    private static final String STATE = ".quant_state.bitsandbytes__";

    private final Quantisation quantisation;
    private final Map<String, Tensor> tensors;
    private final Map<String, RawTensor> raw;
    private long stored;

    /// A matrix of scales.
    ///
    /// @param scales in the order of the rows
    private record Grid(PlainScales scales, Groups groups) {}

    private QuantisedParts(Quantisation quantisation, Map<String, Tensor> tensors, Map<String, RawTensor> raw) {
        this.quantisation = quantisation;
        this.tensors = tensors;
        this.raw = raw;
    }

    /// @param tensors by their names in the files; gets the matrices, and loses their parts
    /// @param raw likewise, of the types that only parts have; is empty afterwards
    static void join(@Nullable Quantisation quantisation, Map<String, Tensor> tensors, Map<String, RawTensor> raw)
            throws ModelFileException {
        if (quantisation != null) {
            new QuantisedParts(quantisation, tensors, raw).join();
        }
        for (var left : raw.values()) {
            throw left.problem("is " + left.type() + "; supported: F32, F16, BF16"
                    + (quantisation == null
                            ? ", and parts of matrices that config.json has in quantization_config"
                            : ", and parts of quantised matrices, to which it does not belong"));
        }
    }

    private void join() throws ModelFileException {
        raw.keySet().removeIf(name -> UNUSED.matcher(name).matches());
        tensors.keySet().removeIf(name -> UNUSED.matcher(name).matches());
        var biases = new HashSet<String>();
        for (var codes : List.copyOf(raw.values())) {
            for (var suffix : List.of(Layout.GPTQ.suffix, Layout.PACKED_INTEGERS.suffix, Layout.INTEGERS.suffix)) {
                if (codes.name().endsWith(suffix)) {
                    var module = codes.name().substring(0, codes.name().length() - suffix.length());
                    var scheme = quantisation.of(codes, module);
                    raw.remove(codes.name());
                    stored = codes.data().byteSize();
                    put(codes, module, matrix(codes, module, scheme));
                    if (scheme.layout() == Layout.GPTQ && tensors.containsKey(module + BIAS)) {
                        biases.add(module + BIAS);
                    }
                }
            }
        }
        dropZeros(biases);
    }

    /// AutoGPTQ gives each matrix a bias: zeros if the model has none. Those of a kind are dropped together, in all
    /// layers, and those of queries, keys and values are one kind.
    private void dropZeros(Set<String> biases) {
        var kinds = biases.stream()
                .collect(Collectors.groupingBy(name -> QUERIES_KEYS_VALUES
                        .matcher(name.substring(name.lastIndexOf('.', name.length() - BIAS.length() - 1) + 1))
                        .replaceFirst("")));
        for (var kind : kinds.values()) {
            if (kind.stream().allMatch(name -> isZero(Objects.requireNonNull(tensors.get(name))))) {
                kind.forEach(tensors::remove);
            }
        }
    }

    private static boolean isZero(Tensor tensor) {
        for (var i = 0L; i < tensor.elements(); i++) {
            if (QuantisedMatrix.number(tensor, i) != 0) {
                return false;
            }
        }
        return true;
    }

    private void put(RawTensor codes, String module, Shaped matrix) throws ModelFileException {
        var name = module + ".weight";
        var packed = matrix.matrix();
        var tensor = new Tensor(codes.file(), name, packed.type(), matrix.shape(), MemorySegment.NULL, packed);
        Safetensors.refuseSecond(tensor, tensors.putIfAbsent(name, tensor));
    }

    /// @param rows of the tensor; the matrix of codes may have others
    private record Shaped(QuantisedMatrix matrix, long rows, long columns) {
        long[] shape() {
            return new long[] {columns, rows};
        }
    }

    private Shaped matrix(RawTensor codes, String module, Scheme scheme) throws ModelFileException {
        if (codes.shape().size() != 2) {
            throw codes.problem("has the shape " + codes.shape() + "; quantised matrices have 2 dimensions");
        }
        return switch (Objects.requireNonNull(scheme.layout())) {
            case GPTQ -> gptq(codes, module, scheme);
            case AWQ -> awq(codes, module, scheme);
            case PACKED_INTEGERS -> packed(codes, module, scheme);
            case INTEGERS -> integers(codes, module, scheme);
            case FLOAT8 -> float8(codes, module, scheme);
            case BITSANDBYTES -> bitsAndBytes(codes, module);
        };
    }

    /// Words of some columns, of one row after the other; zero points of some rows in a word.
    private Shaped gptq(RawTensor codes, String module, Scheme scheme) throws ModelFileException {
        int bits = scheme.bits(), each = Integer.SIZE / bits;
        var rows = size(codes, codes.shape().get(1));
        var columns = size(codes, codes.shape().get(0) * each);
        var order = raw.remove(module + ".g_idx");
        var scales = tensor(codes, module + ".scales");
        var groups = groups(codes, scheme, columns, scales.rows(), order);
        require(scales, rows, groups.count());
        var shifts = Shifts.ascending(bits, WORD_BYTES);
        var mask = (1 << bits) - 1;
        var zeros =
                part(codes, module + ".qzeros", "I32", List.of((long) groups.count(), Math.ceilDiv((long) rows, each)));
        var zeroCodes =
                new Codes(zeros.data(), WORD_BYTES, each, 1, 1, zeros.shape().get(1), shifts, mask);
        // A zero point of 0, stored less 1, has all bits set.
        var less = scheme.zerosLess1() ? 1 : 0;
        return shaped(
                type(bits, scheme.symmetric(), true, groups, columns),
                rows,
                columns,
                new Codes(codes.data(), WORD_BYTES, 1, each, 1, rows, shifts, mask),
                numbers(bits, 0),
                new Zeros(zeroCodes, table(bits, code -> code + less & mask)),
                new PlainScales(scales, 1, 1, 1, rows),
                groups);
    }

    /// Words of 8 rows, of one column after the other.
    private Shaped awq(RawTensor codes, String module, Scheme scheme) throws ModelFileException {
        var each = AWQ_SHIFTS.count();
        var rows = size(codes, codes.shape().get(1) * each);
        var columns = size(codes, codes.shape().get(0));
        long words = codes.shape().get(1);
        var scales = tensor(codes, module + ".scales");
        var groups = groups(codes, scheme, columns, scales.rows(), null);
        require(scales, rows, groups.count());
        var zeros = part(codes, module + ".qzeros", "I32", List.of((long) groups.count(), words));
        return shaped(
                type(scheme.bits(), false, true, groups, columns),
                rows,
                columns,
                new Codes(codes.data(), WORD_BYTES, each, 1, 1, words, AWQ_SHIFTS, 15),
                numbers(scheme.bits(), 0),
                new Zeros(
                        new Codes(zeros.data(), WORD_BYTES, each, 1, 1, words, AWQ_SHIFTS, 15),
                        numbers(scheme.bits(), 0)),
                new PlainScales(scales, 1, 1, 1, rows),
                groups);
    }

    /// Words of some columns, row after row; the last word of a row may have room left. Zero points of some rows in a
    /// word.
    private Shaped packed(RawTensor codes, String module, Scheme scheme) throws ModelFileException {
        int bits = scheme.bits(), each = Integer.SIZE / bits, middle = 1 << bits - 1;
        long words = codes.shape().get(1);
        var rows = size(codes, codes.shape().get(0));
        var shape = part(codes, module + ".weight_shape", "I64", List.of(2L)).data();
        var columns = size(codes, shape.get(ValueType.LONG, Long.BYTES));
        if (shape.get(ValueType.LONG, 0) != rows || Math.ceilDiv((long) columns, each) != words) {
            throw codes.problem("has the shape " + codes.shape() + "; weight_shape says that the matrix is "
                    + shape.get(ValueType.LONG, 0) + " x " + columns);
        }
        var grid = grid(codes, module + ".weight_scale", scheme, rows, columns, raw.remove(module + ".weight_g_idx"));
        var shifts = Shifts.ascending(bits, WORD_BYTES);
        var mask = (1 << bits) - 1;
        var point = raw.get(module + ".weight_zero_point");
        Zeros zeros = null;
        if (point != null && point.type().equals("I32")) {
            var groups = (long) grid.groups().count();
            part(codes, point.name(), "I32", List.of(Math.ceilDiv((long) rows, each), groups));
            zeros = new Zeros(new Codes(point.data(), WORD_BYTES, each, 1, groups, 1, shifts, mask), numbers(bits, 0));
        } else if (point != null) {
            zeros = byteZeros(point, grid, middle);
        }
        return shaped(
                type(bits, zeros == null, zeros != null, grid.groups(), columns),
                rows,
                columns,
                new Codes(codes.data(), WORD_BYTES, 1, each, words, 1, shifts, mask),
                numbers(bits, zeros == null ? -middle : 0),
                zeros,
                grid.scales(),
                grid.groups());
    }

    /// Bytes row after row.
    private Shaped integers(RawTensor codes, String module, Scheme scheme) throws ModelFileException {
        int rows = size(codes, codes.shape().get(0)),
                columns = size(codes, codes.shape().get(1));
        var ofBitsAndBytes = tensors.containsKey(module + ".SCB");
        var grid = grid(codes, module + (ofBitsAndBytes ? ".SCB" : ".weight_scale"), scheme, rows, columns, null);
        var point = raw.get(module + ".weight_zero_point");
        var scales = grid.scales();
        return shaped(
                type(Byte.SIZE, point == null, false, grid.groups(), columns),
                rows,
                columns,
                Codes.ofBytes(codes.data(), columns),
                table(Byte.SIZE, code -> (byte) code),
                point == null ? null : byteZeros(point, grid, 0),
                ofBitsAndBytes ? scales.times(1 / MOST_OF_BYTES) : scales,
                grid.groups());
    }

    private Shaped float8(RawTensor codes, String module, Scheme scheme) throws ModelFileException {
        int rows = size(codes, codes.shape().get(0)),
                columns = size(codes, codes.shape().get(1));
        var inverse = module + ".weight_scale_inv";
        var scale = tensors.containsKey(inverse) ? inverse : module + ".weight_scale";
        var grid = grid(codes, scale, scheme, rows, columns, null);
        return shaped(
                TensorType.F16,
                rows,
                columns,
                Codes.ofBytes(codes.data(), columns),
                table(Byte.SIZE, QuantisedParts::float8),
                null,
                grid.scales(),
                grid.groups());
    }

    /// A sign, 4 bits of exponent and 3 of mantissa, without infinity. Source: FP8 Formats for Deep Learning, 2022.
    private static float float8(int code) {
        int exponent = code >>> MANTISSA_BITS & 15, mantissa = code & 7;
        if (exponent == 15 && mantissa == 7) {
            return Float.NaN;
        }
        var size = exponent == 0
                ? Math.scalb((float) mantissa, LEAST_EXPONENT)
                : Math.scalb((float) (8 + mantissa), LEAST_EXPONENT - 1 + exponent);
        return code > Byte.MAX_VALUE ? -size : size;
    }

    /// Codes of 4 bits, row after row, two in a byte. Some in a row have a scale, whatever rows they belong to. Scales
    /// may be codes themselves.
    private Shaped bitsAndBytes(RawTensor codes, String module) throws ModelFileException {
        var name = module + ".weight";
        var state = state(codes, name);
        long rows = state.path("shape").path(0).asLong(),
                columns = state.path("shape").path(1).asLong();
        var block = size(codes, state.path("blocksize").asLong());
        var elements = 2 * codes.data().byteSize();
        if (rows < 1
                || columns < 1
                || elements % columns != 0
                || elements / columns != rows
                || elements % block != 0
                || elements / block > MOST) {
            throw codes.problem(
                    "has " + elements + " codes; its state says " + rows + " x " + columns + " in blocks of " + block);
        }
        var blocks = Math.toIntExact(elements / block);
        var values = map(codes, name + ".quant_map", 16);
        var matrix = new QuantisedMatrix(
                TensorType.F16,
                blocks,
                block,
                new Codes(codes.data(), 1, 1, 2, block / 2, 1, HIGH_FIRST, 15),
                values,
                null,
                scales(codes, name, state, blocks),
                new Groups(1, block, null),
                stored);
        return new Shaped(matrix, rows, columns);
    }

    private Scales scales(RawTensor codes, String name, JsonNode state, int blocks) throws ModelFileException {
        if (!raw.containsKey(name + ".absmax")) {
            return new PlainScales(vector(codes, name + ".absmax", blocks), 1, 1, 1, 0);
        }
        var each = size(codes, state.path("nested_blocksize").asLong());
        return new DoubleScales(
                part(codes, name + ".absmax", "U8", List.of((long) blocks)).data(),
                vector(codes, name + ".nested_absmax", Math.ceilDiv(blocks, each)),
                each,
                (float) state.path("nested_offset").asDouble(Double.NaN),
                map(codes, name + ".nested_quant_map", 256));
    }

    /// The values of codes.
    private float[] map(RawTensor codes, String name, int count) throws ModelFileException {
        var map = vector(codes, name, count);
        map.checkFinite();
        return QuantisedMatrix.numbers(map);
    }

    /// What bitsandbytes stores beside numbers, as JSON in a tensor of bytes.
    private JsonNode state(RawTensor codes, String name) throws ModelFileException {
        for (var kind : List.of("nf4", "fp4")) {
            var text = raw.remove(name + STATE + kind);
            if (text != null) {
                var state = JsonFile.object(text);
                var block = state.path("blocksize").asLong();
                if (block < 2
                        || block % 2 != 0
                        || state.path("nested_blocksize").asLong(1) < 1) {
                    throw text.problem("has blocksize " + state.path("blocksize") + " and nested_blocksize "
                            + state.path("nested_blocksize") + "; supported: even numbers, and numbers above 0");
                }
                return state;
            }
        }
        throw codes.problem("has no " + name + STATE + "nf4");
    }

    private Shaped shaped(
            TensorType type,
            int rows,
            int columns,
            Codes codes,
            float[] values,
            @Nullable Zeros zeros,
            Scales scales,
            Groups groups) {
        var matrix = new QuantisedMatrix(type, rows, columns, codes, values, zeros, scales, groups, stored);
        return new Shaped(matrix, rows, columns);
    }

    /// The type that holds the codes of a matrix as they are; F16 if none does.
    private static TensorType type(int bits, boolean symmetric, boolean positive, Groups groups, int columns) {
        if (!groups.holdBlocks(columns)) {
            return TensorType.F16;
        }
        if (bits == 4) {
            return positive ? TensorType.Q4_1 : TensorType.Q4_0;
        }
        return symmetric ? TensorType.Q8_0 : TensorType.F16;
    }

    /// Zero points of a byte each, as many as scales.
    private Zeros byteZeros(RawTensor point, Grid grid, int added) throws ModelFileException {
        var scales = grid.scales();
        var count = scales.numbers().elements();
        raw.remove(point.name());
        if (!point.type().equals("I8") || point.data().byteSize() != count || scales.rowsEach() > 1) {
            throw point.problem("is " + point.type() + " of shape " + point.shape()
                    + "; expected I8, one for each of the " + count + " scales of rows");
        }
        stored += count;
        var codes = Codes.ofBytes(point.data(), scales.rowStride());
        return new Zeros(codes, table(Byte.SIZE, code -> (byte) code + added));
    }

    /// The scales of a matrix: one, one for each row, or one for each group or block, as their shape says.
    private Grid grid(RawTensor codes, String name, Scheme scheme, int rows, int columns, @Nullable RawTensor order)
            throws ModelFileException {
        var scales = tensor(codes, name);
        var whole = new Groups(1, columns, null);
        var grouped = scheme.blockRows() == 1 && scheme.blockColumns() > 0;
        if (!grouped && scales.elements() == 1) {
            return new Grid(new PlainScales(scales, 1, 1, 0, 0), whole);
        }
        if (!grouped && scales.elements() == rows && (scales.shape().length == 1 || scales.columns() == 1)) {
            return new Grid(new PlainScales(scales, 1, 1, 1, 0), whole);
        }
        var groups = groups(codes, scheme, columns, scales.columns(), order);
        require(scales, groups.count(), Math.ceilDiv(rows, scheme.blockRows()));
        return new Grid(new PlainScales(scales, 1, scheme.blockRows(), groups.count(), 1), groups);
    }

    /// @param count of the groups that have scales
    /// @param order the group of each column, if adjacent ones need not be one
    private Groups groups(RawTensor codes, Scheme scheme, int columns, long count, @Nullable RawTensor order)
            throws ModelFileException {
        var size = (int) Math.min(columns, scheme.blockColumns() == 0 ? columns : scheme.blockColumns());
        var expected = Math.ceilDiv(columns, size);
        if (count != expected) {
            throw codes.problem("has " + count + " groups of scales; " + columns + " columns in groups of " + size
                    + " have " + expected);
        }
        if (order == null) {
            return new Groups(expected, size, null);
        }
        if (!order.type().equals("I32") || !order.shape().equals(List.of((long) columns))) {
            throw order.problem(
                    "is " + order.type() + " of shape " + order.shape() + "; expected I32 of [" + columns + "]");
        }
        var adjacent = true;
        for (var column = 0; column < columns; column++) {
            var group = order.data().get(ValueType.INT, (long) column * Integer.BYTES);
            if (group < 0 || group >= expected) {
                throw order.problem("has group " + group + " for column " + column + "; there are " + expected);
            }
            adjacent &= group == column / size;
        }
        stored += order.data().byteSize();
        return new Groups(expected, size, adjacent ? null : order.data());
    }

    private Tensor tensor(RawTensor codes, String name) throws ModelFileException {
        var tensor = tensors.remove(name);
        if (tensor == null) {
            throw codes.problem("has no scales in " + name + " of type F32, F16 or BF16");
        }
        stored += tensor.data().byteSize();
        return tensor;
    }

    private Tensor vector(RawTensor codes, String name, long count) throws ModelFileException {
        var vector = tensor(codes, name);
        if (vector.elements() != count) {
            throw vector.problem("has " + vector.elements() + " numbers; expected " + count);
        }
        return vector;
    }

    private RawTensor part(RawTensor codes, String name, String type, List<Long> shape) throws ModelFileException {
        var part = raw.remove(name);
        if (part == null) {
            throw codes.problem("has no " + name);
        }
        if (!part.type().equals(type) || !part.shape().equals(shape)) {
            throw part.problem(
                    "is " + part.type() + " of shape " + part.shape() + "; expected " + type + " of " + shape);
        }
        stored += part.data().byteSize();
        return part;
    }

    private static void require(Tensor scales, long columns, long rows) throws ModelFileException {
        if (scales.shape().length != 2 || scales.columns() != columns || scales.rows() != rows) {
            throw scales.problem("has the shape " + Arrays.toString(scales.shape()) + "; expected [" + columns + ", "
                    + rows + "] (columns first)");
        }
    }

    /// A number of rows or columns.
    private static int size(RawTensor codes, long size) throws ModelFileException {
        if (size < 1 || size > MOST) {
            throw codes.problem("makes a matrix of " + size + " rows or columns; supported: 1 to " + MOST);
        }
        return (int) size;
    }

    /// Adjacent whole numbers.
    private static float[] numbers(int bits, int first) {
        return table(bits, code -> code + first);
    }

    private static float[] table(int bits, IntToDoubleFunction value) {
        var table = new float[1 << bits];
        for (var code = 0; code < table.length; code++) {
            table[code] = (float) value.applyAsDouble(code);
        }
        return table;
    }
}
