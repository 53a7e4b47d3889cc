package dev.llmworker.weights;

import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/// How the elements of a tensor are stored. Only types that can be read are here, so that a `switch` over them is
/// complete; a file with another type is refused when it is opened.
///
/// A row is a whole number of blocks. A quantised block is its float16 scales, then its quants:
/// `w = d * (q - 8)` in Q4_0, `w = d * q + m` in Q4_1 (quant `i` in the low, `i + 16` in the high half of byte `i`)
/// and `w = d * q` in Q8_0. Source: `ggml-common.h` of llama.cpp.
public enum TensorType {
    Q4_0(2, 32, 18, 1),
    Q4_1(3, 32, 20, 2),
    Q8_0(8, 32, 34, 1),
    F16(1, 1, 2, 0),
    BF16(30, 1, 2, 0),
    F32(0, 1, 4, 0);

    /// Types of `ggml.h` that cannot be read, by id, for the message; ids that ggml has retired are not among them.
    private static final Map<Integer, String> UNSUPPORTED = Map.ofEntries(
            Map.entry(6, "Q5_0"),
            Map.entry(7, "Q5_1"),
            Map.entry(9, "Q8_1"),
            Map.entry(10, "Q2_K"),
            Map.entry(11, "Q3_K"),
            Map.entry(12, "Q4_K"),
            Map.entry(13, "Q5_K"),
            Map.entry(14, "Q6_K"),
            Map.entry(15, "Q8_K"),
            Map.entry(16, "IQ2_XXS"),
            Map.entry(17, "IQ2_XS"),
            Map.entry(18, "IQ3_XXS"),
            Map.entry(19, "IQ1_S"),
            Map.entry(20, "IQ4_NL"),
            Map.entry(21, "IQ3_S"),
            Map.entry(22, "IQ2_S"),
            Map.entry(23, "IQ4_XS"),
            Map.entry(24, "I8"),
            Map.entry(25, "I16"),
            Map.entry(26, "I32"),
            Map.entry(27, "I64"),
            Map.entry(28, "F64"),
            Map.entry(29, "IQ1_M"),
            Map.entry(34, "TQ1_0"),
            Map.entry(35, "TQ2_0"),
            Map.entry(39, "MXFP4"));

    private final int ggufId;
    private final int blockElements;
    private final int blockBytes;
    private final int blockScales;

    TensorType(int ggufId, int blockElements, int blockBytes, int blockScales) {
        this.ggufId = ggufId;
        this.blockElements = blockElements;
        this.blockBytes = blockBytes;
        this.blockScales = blockScales;
    }

    /// The type's number in a GGUF file.
    public int ggufId() {
        return ggufId;
    }

    /// Elements of a block; 1 for the types that are not quantised.
    public int blockElements() {
        return blockElements;
    }

    public int blockBytes() {
        return blockBytes;
    }

    /// Float16 figures at the start of a block; 0 for the types that are not quantised.
    int blockScales() {
        return blockScales;
    }

    static Optional<TensorType> of(int ggufId) {
        return Arrays.stream(values()).filter(type -> type.ggufId == ggufId).findFirst();
    }

    /// The name of any type, for messages.
    static String nameOf(int ggufId) {
        return of(ggufId)
                .map(TensorType::name)
                .orElseGet(
                        () -> UNSUPPORTED.getOrDefault(ggufId, "of unknown type " + Integer.toUnsignedString(ggufId)));
    }

    static String supported() {
        return Arrays.stream(values()).map(TensorType::name).collect(Collectors.joining(", "));
    }
}
