package dev.llmworker.model;

import dev.llmworker.weights.Tensor;
import dev.llmworker.weights.TensorType;
import java.util.List;

/// How the decoder program holds a matrix.
enum MatrixForm {
    /// As it is, in the type that the device computes in.
    DENSE(1),
    /// bfloat16, packed by oneDNN. Best for many rows; reading it is what a few rows wait for.
    PACKED_BF16(2),
    /// The file's 4-bit blocks, packed; the fewest bytes to read.
    INT4(3),
    /// The file's 5- or 8-bit blocks as two planes of 4 bits.
    INT4_PAIR(4),
    /// The file's blocks or numbers as they are, in the order that the operators in C++ read them: for any number of
    /// rows.
    NATIVE(5);

    /// The int4 kernel works on 64 rows at a time.
    private static final int INT4_ROWS = 64;

    private final int programKind;

    MatrixForm(int programKind) {
        this.programKind = programKind;
    }

    /// The number that the decoder program has for it.
    int programKind() {
        return programKind;
    }

    /// What a device can do with matrices.
    ///
    /// @param packed has [#PACKED_BF16]
    /// @param int4 has [#INT4] and [#INT4_PAIR]
    /// @param asStored has [#NATIVE], and nothing else is used
    record Capabilities(boolean packed, boolean int4, boolean asStored) {}

    /// The form for a few rows that holds the parts exactly and is fastest; bfloat16 where none is exact.
    static MatrixForm forFewRows(List<Tensor> parts, Capabilities device) {
        if (device.asStored()) {
            return NATIVE;
        }
        var whole = parts.stream().allMatch(part -> part.rows() % INT4_ROWS == 0);
        if (whole && device.int4() && parts.stream().allMatch(part -> isFourBit(part.type()))) {
            return INT4;
        }
        if (whole && device.int4() && parts.stream().allMatch(part -> isPairOfFourBits(part.type()))) {
            return INT4_PAIR;
        }
        return device.packed() ? PACKED_BF16 : DENSE;
    }

    /// From how many rows on packed bfloat16 is faster. Measured on SmolLM2-135M with AVX-512 and two threads: a step
    /// of 4 rows takes 9.5 ms in int4 and 11.8 in bfloat16, of 6 rows 14.1 and 13.3, of 16 rows 29.7 and 21.8.
    int manyRowsFrom() {
        return switch (this) {
            case INT4 -> 6;
            case INT4_PAIR -> 5;
            case DENSE, PACKED_BF16, NATIVE -> Integer.MAX_VALUE;
        };
    }

    /// What a matrix takes in this form.
    ///
    /// @param dense the type of [#DENSE] ones
    long bytes(Tensor matrix, Precision dense) {
        var elements = matrix.elements();
        return switch (this) {
            // A scale and a zero of 2 bytes each for 32 elements.
            case INT4 -> elements / 2 + elements / 8;
            case INT4_PAIR -> elements + elements / 4;
            case PACKED_BF16 -> elements * Precision.BF16.bytes();
            case DENSE -> elements * dense.bytes();
            case NATIVE ->
                switch (matrix.type()) {
                    case Q4_0, Q4_1, Q4_K -> elements / 2 + elements / 8;
                    case Q8_0, Q5_0, Q5_1, Q5_K, Q6_K -> elements + elements / 8;
                    case F16, BF16, F32 -> matrix.data().byteSize();
                };
        };
    }

    private static boolean isFourBit(TensorType type) {
        return switch (type) {
            case Q4_0, Q4_1, Q4_K -> true;
            case Q5_0, Q5_1, Q8_0, Q5_K, Q6_K, F16, BF16, F32 -> false;
        };
    }

    /// Not Q6_K: the kernel has a scale for each 32 elements, Q6_K one for each 16.
    private static boolean isPairOfFourBits(TensorType type) {
        return switch (type) {
            case Q5_0, Q5_1, Q8_0, Q5_K -> true;
            case Q4_0, Q4_1, Q4_K, Q6_K, F16, BF16, F32 -> false;
        };
    }
}
