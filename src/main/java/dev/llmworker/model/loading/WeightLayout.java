package dev.llmworker.model.loading;

import dev.llmworker.model.device.Precision;
import dev.llmworker.weights.content.Tensor;
import dev.llmworker.weights.content.TensorType;
import java.util.Locale;

/// How a decoder program holds a matrix.
public enum WeightLayout {
    /// As it is, in the type that the device computes in.
    DENSE(1),
    /// bfloat16, packed by oneDNN. It is best for many rows. With a few rows, a product waits for the memory.
    PACKED_BF16(2),
    /// The file's 4-bit blocks, packed: the fewest bytes to read.
    INT4(3),
    /// The file's 5- or 8-bit blocks as two planes of 4 bits.
    INT4_PAIR(4),
    /// The file's blocks or numbers, in the order in which the operators in C++ read them. For any number of rows.
    NATIVE(5);

    private final int programLayout;

    WeightLayout(int programLayout) {
        this.programLayout = programLayout;
    }

    /// Its number in `layouts.py`.
    public int programLayout() {
        return programLayout;
    }

    /// From how many rows on packed bfloat16 is faster. Measured on SmolLM2-135M with AVX-512 and two threads: a
    /// step of 4 rows takes 9.5 ms in int4 and 11.8 in bfloat16, of 6 rows 14.1 and 13.3, of 16 rows 29.7 and
    /// 21.8.
    public int manyRowsFrom() {
        return switch (this) {
            case INT4 -> 6;
            case INT4_PAIR -> 5;
            case DENSE, PACKED_BF16, NATIVE -> Integer.MAX_VALUE;
        };
    }

    /// What a matrix takes in this layout.
    ///
    /// @param dense the format of [#DENSE] ones
    public long bytes(Tensor matrix, Precision dense) {
        var elements = matrix.elements();
        return switch (this) {
            // A scale and a zero of 2 bytes each for 32 elements.
            case INT4 -> elements / 2 + elements / 8;
            case INT4_PAIR -> elements + elements / 4;
            case PACKED_BF16 -> elements * Precision.BF16.bytes();
            case DENSE -> elements * dense.bytes();
            case NATIVE -> NativeFormat.bytes(matrix);
        };
    }

    /// What a matrix of this type is held as: `4-bit quants`.
    ///
    /// @param dense the format of [#DENSE] ones
    String text(TensorType type, Precision dense) {
        return switch (this) {
            case DENSE -> dense.inLowerCase();
            case PACKED_BF16 -> Precision.BF16.inLowerCase();
            case INT4 -> "4-bit quants";
            case INT4_PAIR -> "two 4-bit quants";
            case NATIVE -> {
                var format = NativeFormat.of(type);
                yield format == NativeFormat.PLAIN ? type.name().toLowerCase(Locale.ROOT) : format.text();
            }
        };
    }
}
