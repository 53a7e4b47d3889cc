package dev.llmworker.weights.content;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.llmworker.weights.Gguf;
import dev.llmworker.weights.GgufFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class FiniteCheckTest {
    @TempDir
    Path directory;

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 5, 6})
    void aNanIsFoundAtAnyPlaceOfAnOddNumberOfFloats(int index) throws IOException {
        var values = new float[] {1, -1, Float.MAX_VALUE, -Float.MIN_VALUE, 0, -0f, 9};
        values[index] = Float.NaN;
        assertRefused("has NaN at element " + index, TensorType.F32, GgufFile.floats(values), values.length);
        values[index] = Float.NEGATIVE_INFINITY;
        assertRefused("has -Infinity at element " + index, TensorType.F32, GgufFile.floats(values), values.length);
    }

    @ParameterizedTest
    @CsvSource({"F16, 0x7C00, 0xFE01", "BF16, 0x7F80, 0xFFC0"})
    void anInfinityOrNanIsFoundAtAnyPlaceOfHalves(TensorType type, String infinity, String nan) throws IOException {
        for (var index = 0; index < 7; index++) {
            assertRefused("has Infinity at element " + index, type, shorts(7, 2, index, infinity), 7);
            assertRefused("has NaN at element " + index, type, shorts(7, 2, index, nan), 7);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "Q4_0, 0",
        "Q4_1, 0",
        "Q4_1, 1",
        "Q5_0, 0",
        "Q5_1, 1",
        "Q8_0, 0",
        "Q4_K, 0",
        "Q4_K, 1",
        "Q5_K, 1",
        "Q6_K, 0",
        "Q2_K, 0",
        "Q2_K, 1",
        "Q3_K, 0",
        "IQ1_S, 0",
        "IQ2_XXS, 0",
        "IQ2_XS, 0",
        "IQ2_S, 0",
        "IQ3_XXS, 0",
        "IQ3_S, 0",
        "IQ4_NL, 0",
        "IQ4_XS, 0",
        "TQ1_0, 0",
        "TQ2_0, 0"
    })
    void aBadScaleIsFoundInAnyBlock(TensorType type, int scale) throws IOException {
        for (var block = 0; block < 3; block++) {
            var data = new byte[3 * type.blockBytes()];
            // Quants may have any bits.
            Arrays.fill(data, (byte) -1);
            for (var clean = 0; clean < 3; clean++) {
                for (var i = 0; i < 2 * type.blockScales(); i++) {
                    data[clean * type.blockBytes() + type.scalesAt() + i] = 0x3C;
                }
            }
            var at = block * type.blockBytes() + type.scalesAt() + 2 * scale;
            data[at + 1] = (byte) 0xFC;
            data[at] = 0;
            assertRefused("has a scale of -Infinity in block " + block, type, data, 3L * type.blockElements());
            data[at] = 1;
            assertRefused("has a scale of NaN in block " + block, type, data, 3L * type.blockElements());
        }
    }

    /// The last 4 bits of each of its last four words are a quarter of the scale.
    @Test
    void aBadScaleInFourPartsIsFound() throws IOException {
        var type = TensorType.IQ1_M;
        var data = new byte[3 * type.blockBytes()];
        Arrays.fill(data, (byte) -1);
        for (var block = 0; block < 3; block++) {
            // 0x3C00, which is 1.
            for (var i = 0; i < 4; i++) {
                data[block * type.blockBytes() + 49 + 2 * i] = (byte) ((0x3C00 >> 4 * i & 15) << 4 | 15);
            }
        }
        try (var gguf = open(type, data, 3L * type.blockElements())) {
            assertDoesNotThrow(() -> gguf.tensor("w").checkFinite());
        }
        data[2 * type.blockBytes() + 53] = (byte) 0xCF;
        data[2 * type.blockBytes() + 55] = (byte) 0x7F;
        assertRefused("has a scale of Infinity in block 2", type, data, 3L * type.blockElements());
        data[2 * type.blockBytes() + 49] = (byte) 0x1F;
        assertRefused("has a scale of NaN in block 2", type, data, 3L * type.blockElements());
    }

    @Test
    void aScaleOfTwoToTheThirteenthIsTooLarge() throws IOException {
        var data = new byte[2 * TensorType.MXFP4.blockBytes()];
        data[TensorType.MXFP4.blockBytes()] = (byte) (127 + 13);
        assertRefused("has a scale of 2^13 in block 1, above 2^12", TensorType.MXFP4, data, 64);
    }

    @ParameterizedTest
    @EnumSource
    void theLargestFiniteFiguresPass(TensorType type) throws IOException {
        // The largest exponent that is not all ones, and a mantissa of ones, in both signs.
        var largest = switch (type) {
            case F32 -> new byte[] {-1, -1, 0x7F, 0x7F, -1, -1, 0x7F, -1};
            case BF16 -> new byte[] {0x7F, 0x7F, 0x7F, -1};
            // The lowest bits of its scale come first.
            case IQ1_M -> new byte[56];
            case MXFP4 -> new byte[] {(byte) (127 + 12)};
            default -> halves(FiniteCheck.most(type), FiniteCheck.most(type) | 0x8000);
        };
        var data = new byte[4 * type.blockBytes()];
        for (var block = 0; block < data.length; block += type.blockBytes()) {
            var at = block + type.scalesAt();
            for (var i = 0; i < Math.min(type.blockBytes() - type.scalesAt(), largest.length); i++) {
                data[at + i] = largest[(block + i) % largest.length];
            }
        }
        try (var gguf = open(type, data, 4L * type.blockElements())) {
            assertDoesNotThrow(() -> gguf.tensor("w").checkFinite());
        }
    }

    private static byte[] halves(int first, int second) {
        return new byte[] {(byte) first, (byte) (first >> 8), (byte) second, (byte) (second >> 8)};
    }

    /// The least scale of each type that is too large: programs multiply it with others.
    @ParameterizedTest
    @CsvSource({
        "Q4_0, 8192", "Q4_1, Infinity", "Q5_0, 4096", "Q2_K, 4368", "Q3_K, 2048", "Q4_K, 1040", "Q5_K, 1040",
        "Q6_K, 512", "IQ4_XS, 2048", "IQ3_S, 2114", "IQ3_XXS, 8456", "IQ2_XXS, 16912", "IQ2_XS, 16912", "IQ2_S, 16912",
        "IQ1_S, 34944", "IQ4_NL, Infinity", "TQ2_0, Infinity"
    })
    void aScaleWhoseProductsAreInfiniteInFloat16IsRefused(TensorType type, float scale) throws IOException {
        var data = new byte[type.blockBytes()];
        var bits = Float.floatToFloat16(scale);
        data[type.scalesAt()] = (byte) bits;
        data[type.scalesAt() + 1] = (byte) (bits >> 8);
        var problem = Float.isFinite(scale) ? ", with which numbers may be above 65504.0" : "";
        assertRefused("has a scale of " + scale + " in block 0" + problem, type, data, type.blockElements());
        assertEquals(bits - 1, FiniteCheck.most(type));
    }

    /// Zeros but for one figure, given in hexadecimal.
    private static byte[] shorts(int count, int stride, int index, String figure) {
        var data = new byte[count * stride];
        var bits = Integer.decode(figure);
        data[index * stride] = (byte) (int) bits;
        data[index * stride + 1] = (byte) (bits >> 8);
        return data;
    }

    private void assertRefused(String problem, TensorType type, byte[] data, long columns) throws IOException {
        try (var gguf = open(type, data, columns)) {
            var refused = assertThrows(
                    ModelFileException.class, () -> gguf.tensor("w").checkFinite());
            assertEquals("model.gguf: tensor w " + problem + "; expected finite numbers", refused.getMessage());
        }
    }

    private Gguf open(TensorType type, byte[] data, long columns) throws IOException {
        return Gguf.open(new GgufFile().tensor("w", type, data, columns).write(directory.resolve("model.gguf")));
    }
}
