package dev.llmworker.model.loading;

import dev.llmworker.weights.content.Tensor;
import dev.llmworker.weights.content.TensorType;

/// How [NativeProgram] holds a matrix: `Format` in `formats.h`. Each quant or code comes with float16 scales, and
/// in some formats offsets.
public enum NativeFormat {
    Q4(20, "4-bit quants"),
    /// Without offsets: a number is (quant - 8) · scale.
    Q4_CENTRED(18, "4-bit quants"),
    Q4_HALF_BLOCKS(24, "4-bit quants"),
    Q8(34, "8-bit quants"),
    Q8_OFFSET(36, "8-bit quants"),
    Q8_HALF_BLOCKS(36, "8-bit quants"),
    /// Places in a table of 16 numbers.
    CODES(18, "4-bit codes"),
    CODES_HALF_BLOCKS(20, "4-bit codes"),
    /// As in the file.
    PLAIN(0, "");

    private static final int BLOCK = 32;

    private final int blockBytes;
    private final String text;

    NativeFormat(int blockBytes, String text) {
        this.blockBytes = blockBytes;
        this.text = text;
    }

    /// As `native_format` in `native_decoder.py`.
    static NativeFormat of(TensorType type) {
        return switch (type) {
            case Q4_0 -> Q4_CENTRED;
            case Q4_1, Q4_K -> Q4;
            case Q2_K -> Q4_HALF_BLOCKS;
            case Q8_0 -> Q8;
            case Q5_0, Q5_1, Q5_K -> Q8_OFFSET;
            case Q6_K -> Q8_HALF_BLOCKS;
            case Q3_K, IQ1_M, IQ2_XS, IQ2_S -> CODES_HALF_BLOCKS;
            case IQ1_S, IQ2_XXS, IQ3_XXS, IQ3_S, IQ4_NL, IQ4_XS, TQ1_0, TQ2_0, MXFP4 -> CODES;
            case F16, BF16, F32 -> PLAIN;
        };
    }

    /// What a matrix takes.
    static long bytes(Tensor matrix) {
        var format = of(matrix.type());
        return format == PLAIN
                ? matrix.elements() * matrix.type().blockBytes()
                : matrix.elements() / BLOCK * format.blockBytes;
    }

    /// In words: `4-bit quants`.
    String text() {
        return text;
    }
}
