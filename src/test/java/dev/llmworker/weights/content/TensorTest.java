package dev.llmworker.weights.content;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.llmworker.weights.GgufFile;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class TensorTest {
    /// Matrices of six elements.
    private static Tensor tensor(int count, long... shape) {
        var floats = new float[6 * count];
        for (var i = 0; i < floats.length; i++) {
            floats[i] = i;
        }
        var data = MemorySegment.ofArray(GgufFile.floats(floats));
        return new Tensor(Path.of("file"), "w", TensorType.F32, shape, data);
    }

    @Test
    void aPartIsAMatrixHoweverManyOnesTheFileHasAtTheEndOfTheShape() {
        var only = tensor(1, 3, 2).slice(0, 3, 2, 1);
        assertArrayEquals(new long[] {3, 2}, only.shape());
        assertEquals(2, only.rows());
        var second = tensor(2, 3, 2, 2, 1).slice(1, 3, 2, 2);
        assertArrayEquals(new long[] {3, 2}, second.shape());
        assertEquals(6 * Float.BYTES, second.data().byteSize());
        assertArrayEquals(
                GgufFile.floats(6), second.data().asSlice(0, Float.BYTES).toArray(ValueLayout.JAVA_BYTE));
    }
}
