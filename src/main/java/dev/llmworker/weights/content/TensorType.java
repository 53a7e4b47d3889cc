package dev.llmworker.weights.content;

import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/// How the elements of a tensor are stored. The enum has only readable types, so that a `switch` over them is
/// complete. A file with another type is rejected when it is opened.
///
/// A row is a whole number of blocks. A quantised block has its float16 scales, then its quants:
///
/// - Q4_0: `w = d * (q - 8)`
/// - Q4_1: `w = d * q + m`; quant `i` is in the low half of byte `i`, quant `i + 16` in its high half
/// - Q8_0: `w = d * q`
/// - Q5_0 and Q5_1: a fifth bit for each quant lies between scales and quants
/// - Q2_K, Q4_K and Q5_K: `w = d * sc * q - dmin * m`, where each group of a block has small integers for scales
/// - Q3_K: `w = d * sc * (q - 4)`, likewise; `d` comes last in the block
/// - Q6_K: `w = d * sc * (q - 32)`, likewise
/// - MXFP4: `w = 2^(e - 127) * f`, where `e` is the block's first byte and `f` a float of 4 bits
/// - IQ4_NL and IQ4_XS: `w = d * sc * n`, where `n` is one of 16 numbers; IQ4_NL has no `sc`
/// - IQ2_*, IQ3_* and IQ1_*: likewise, but a code stands for 4 or 8 elements together
/// - TQ1_0 and TQ2_0: `w = d * t`, where `t` is -1, 0 or 1; `d` comes last in the block
///
/// Source: `ggml-common.h` of llama.cpp.
public enum TensorType {
    Q4_0(2, 32, 18, 1, 0),
    Q4_1(3, 32, 20, 2, 0),
    Q5_0(6, 32, 22, 1, 0),
    Q5_1(7, 32, 24, 2, 0),
    Q8_0(8, 32, 34, 1, 0),
    Q2_K(10, 256, 84, 2, 80),
    Q3_K(11, 256, 110, 1, 108),
    Q4_K(12, 256, 144, 2, 0),
    Q5_K(13, 256, 176, 2, 0),
    Q6_K(14, 256, 210, 1, 208),
    IQ1_S(19, 256, 50, 1, 0),
    /// Its float16 scale is in four parts: see [FiniteCheck].
    IQ1_M(29, 256, 56, 0, 0),
    IQ2_XXS(16, 256, 66, 1, 0),
    IQ2_XS(17, 256, 74, 1, 0),
    IQ2_S(22, 256, 82, 1, 0),
    IQ3_XXS(18, 256, 98, 1, 0),
    IQ3_S(21, 256, 110, 1, 0),
    IQ4_NL(20, 32, 18, 1, 0),
    IQ4_XS(23, 256, 136, 1, 0),
    TQ1_0(34, 256, 54, 1, 52),
    TQ2_0(35, 256, 66, 1, 64),
    MXFP4(39, 32, 17, 0, 0),
    F16(1, 1, 2, 0, 0),
    BF16(30, 1, 2, 0, 0),
    F32(0, 1, 4, 0, 0);

    /// Types of `ggml.h` that cannot be read, by id, for the message. Ids that ggml has retired are left out.
    private static final Map<Integer, String> UNSUPPORTED = Map.ofEntries(
            Map.entry(9, "Q8_1"),
            Map.entry(15, "Q8_K"),
            Map.entry(24, "I8"),
            Map.entry(25, "I16"),
            Map.entry(26, "I32"),
            Map.entry(27, "I64"),
            Map.entry(28, "F64"),
            Map.entry(40, "NVFP4"));

    private final int ggufId;
    private final int blockElements;
    private final int blockBytes;
    private final int blockScales;
    private final int scalesAt;

    TensorType(int ggufId, int blockElements, int blockBytes, int blockScales, int scalesAt) {
        this.ggufId = ggufId;
        this.blockElements = blockElements;
        this.blockBytes = blockBytes;
        this.blockScales = blockScales;
        this.scalesAt = scalesAt;
    }

    /// The type's number in a GGUF file.
    public int ggufId() {
        return ggufId;
    }

    /// The number of elements in a block; 1 for the types that are not quantised.
    public int blockElements() {
        return blockElements;
    }

    public int blockBytes() {
        return blockBytes;
    }

    /// Whether elements are plain numbers and not blocks.
    public boolean isPlain() {
        return blockElements == 1;
    }

    /// The number of adjacent float16 values in a block; 0 for the types that have none.
    int blockScales() {
        return blockScales;
    }

    /// The offset in a block of the first float16 value, in bytes.
    int scalesAt() {
        return scalesAt;
    }

    public static Optional<TensorType> of(int ggufId) {
        return Arrays.stream(values()).filter(type -> type.ggufId == ggufId).findFirst();
    }

    /// The name of any type, for messages.
    public static String nameOf(int ggufId) {
        return of(ggufId)
                .map(TensorType::name)
                .orElseGet(
                        () -> UNSUPPORTED.getOrDefault(ggufId, "of unknown type " + Integer.toUnsignedString(ggufId)));
    }

    public static String supported() {
        return Arrays.stream(values()).map(TensorType::name).collect(Collectors.joining(", "));
    }
}
