package dev.llmworker.model.loading;

import dev.llmworker.weights.content.Tensor;
import dev.llmworker.weights.content.TensorType;

/// How [NativeProgram] holds a matrix: `Format` in `formats.h`. Quants and codes come with scales, and in some formats
/// with offsets: float16 numbers, unless said otherwise.
public enum NativeFormat {
    Q4(160, "4-bit quants"),
    /// Without offsets: a number is (quant - 8) · scale.
    Q4_CENTRED(144, "4-bit quants"),
    Q4_HALF_BLOCKS(192, "4-bit quants"),
    /// Scales and offsets are bytes, times float16 numbers for 256 columns.
    Q4_K(148, "4-bit quants"),
    Q5(192, "5-bit quants"),
    /// Without offsets: a number is (quant - 16) · scale.
    Q5_CENTRED(176, "5-bit quants"),
    /// As Q4_K.
    Q5_K(180, "5-bit quants"),
    /// As Q4_K.
    Q6_K(210, "6-bit quants"),
    Q8(272, "8-bit quants"),
    /// Places in a table of 16 numbers.
    CODES(144, "4-bit codes"),
    CODES_HALF_BLOCKS(160, "4-bit codes"),
    /// As in the file.
    PLAIN(0, "");

    private static final int COLUMNS = 256;

    private final int bytes;
    private final String text;

    /// bytes: of 256 columns
    NativeFormat(int bytes, String text) {
        this.bytes = bytes;
        this.text = text;
    }

    /// As `native_format` in `native_decoder.py`.
    static NativeFormat of(TensorType type) {
        return switch (type) {
            case Q4_0 -> Q4_CENTRED;
            case Q4_1 -> Q4;
            case Q4_K -> Q4_K;
            case Q2_K -> Q4_HALF_BLOCKS;
            case Q8_0 -> Q8;
            case Q5_0 -> Q5_CENTRED;
            case Q5_1 -> Q5;
            case Q5_K -> Q5_K;
            case Q6_K -> Q6_K;
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
                : matrix.elements() * format.bytes / COLUMNS;
    }

    /// In words: `4-bit quants`.
    String text() {
        return text;
    }
}
