package dev.llmworker.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.llmworker.weights.content.ModelFileException;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TensorRefusalTest {
    @TempDir
    Path directory;

    @Test
    void unsupportedTensorTypesAreNamedWithTheSupportedOnes() {
        var supported =
                "; supported: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ1_S, IQ1_M, IQ2_XXS,"
                        + " IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S, IQ4_NL, IQ4_XS, TQ1_0, TQ2_0, MXFP4, F16, BF16, F32";
        assertRefused(
                "tensor blk.3.attn_q.weight is Q8_K" + supported,
                new GgufFile().declare("blk.3.attn_q.weight", 15, 0, 256));
        assertRefused("tensor w is NVFP4" + supported, new GgufFile().declare("w", 40, 0, 256));
        assertRefused("tensor w is of unknown type 4" + supported, new GgufFile().declare("w", 4, 0, 256));
        assertRefused("tensor w is of unknown type 4294967295" + supported, new GgufFile().declare("w", -1, 0, 256));
    }

    @Test
    void shapesHaveOneToFourPositiveSizesInWholeBlocks() {
        assertRefused("tensor w has 0 dimensions; expected 1 to 4", new GgufFile().declare("w", 0, 0));
        assertRefused("tensor w has 5 dimensions; expected 1 to 4", new GgufFile().declare("w", 0, 0, 1, 1, 1, 1, 1));
        assertRefused(
                "tensor w has size 0 in dimension 1; expected 1 to 9223372036854775807",
                new GgufFile().declare("w", 0, 0, 4, 0));
        assertRefused(
                "tensor w has size 18446744073709551615 in dimension 0; expected 1 to 9223372036854775807",
                new GgufFile().declare("w", 0, 0, -1));
        assertRefused("tensor w has 48 columns; Q4_0 takes a multiple of 32", new GgufFile().declare("w", 2, 0, 48, 2));
    }

    @Test
    void aShapeWhoseProductOverflowsIsRefused() {
        assertRefused(
                "tensor w of shape [4294967296, 4294967296] takes more than 9223372036854775807 bytes; the file has 96",
                new GgufFile().declare("w", 0, 0, 1L << 32, 1L << 32));
        assertRefused(
                "tensor w of shape [4611686018427387904] takes more than 9223372036854775807 bytes; the file has 64",
                new GgufFile().declare("w", 0, 0, 1L << 62));
    }

    @Test
    void tensorsLieInsideTheFile() {
        assertRefused(
                "tensor w takes 8 bytes from byte 32 of the data, which starts at byte 64; the file ends at byte 64",
                new GgufFile().declare("w", 0, 32, 2));
        assertRefused(
                "tensor w takes 8 bytes from byte 18446744073709551584 of the data, which starts at byte 64;"
                        + " the file ends at byte 64",
                new GgufFile().declare("w", 0, -32, 2));
        assertRefused(
                "tensor w takes 9223372036854775804 bytes from byte 0 of the data, which starts at byte 64;"
                        + " the file ends at byte 64",
                new GgufFile().declare("w", 0, 0, Long.MAX_VALUE / 4));
    }

    @Test
    void tensorsStartAtMultiplesOfTheAlignment() {
        assertRefused(
                "tensor w starts at byte 16 of the data; expected a multiple of 32",
                new GgufFile().floats("pad", new float[16], 16).declare("w", 0, 16, 2));
    }

    @Test
    void tensorsDoNotOverlap() {
        assertRefused(
                "tensors long and inside overlap: the first ends at byte 192, the second starts at byte 160",
                new GgufFile().declare("inside", 0, 32, 2).floats("long", new float[16], 16));
        assertRefused(
                "tensors a and b overlap: the first ends at byte 104, the second starts at byte 96",
                new GgufFile().floats("a", new float[2], 2).declare("b", 0, 0, 1));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 4, 24, 48, 131_072, Integer.MIN_VALUE})
    void theAlignmentIsASanePowerOfTwo(int alignment) {
        assertRefused(
                "metadata general.alignment is " + alignment + "; expected a power of two from 8 to 65536",
                new GgufFile().integer("general.alignment", alignment));
    }

    @Test
    void aMissingTensorIsNamed() throws IOException {
        var file = new GgufFile().floats("w", new float[] {1}, 1).write(directory.resolve("model.gguf"));
        try (var gguf = Gguf.open(file)) {
            var missing = assertThrows(ModelFileException.class, () -> gguf.tensor("output.weight"));
            assertEquals("model.gguf: tensor output.weight is missing among 1 tensors", missing.getMessage());
        }
    }

    private void assertRefused(String problem, GgufFile file) {
        var refused =
                assertThrows(ModelFileException.class, () -> Gguf.open(file.write(directory.resolve("model.gguf"))));
        assertEquals("model.gguf: " + problem, refused.getMessage());
    }
}
