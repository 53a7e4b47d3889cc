package dev.llmworker.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import dev.llmworker.weights.GgufFile;
import dev.llmworker.weights.Tensor;
import dev.llmworker.weights.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class RopeTest {
    private static final int HEAD_DIM = 8;

    @Test
    void eachHeadsHalvesAreInterleavedAndWhatDoesNotTurnStays() {
        var bias = tensor(2 * HEAD_DIM);
        try (var arena = Arena.ofConfined()) {
            var reordered = new Rope(new double[4], 6, true).inPairs(bias, HEAD_DIM, arena);
            assertArrayEquals(
                    new float[] {0, 3, 1, 4, 2, 5, 6, 7, 8, 11, 9, 12, 10, 13, 14, 15},
                    reordered.data().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED));
        }
    }

    @Test
    void rowsOfAMatrixMoveAsAWhole() {
        var matrix = tensor(2, HEAD_DIM);
        try (var arena = Arena.ofConfined()) {
            var reordered = new Rope(new double[4], HEAD_DIM, true).inPairs(matrix, HEAD_DIM, arena);
            assertArrayEquals(
                    new float[] {0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15},
                    reordered.data().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED));
        }
    }

    @Test
    void whatLiesInPairsIsNotCopied() {
        var matrix = tensor(2, HEAD_DIM);
        try (var arena = Arena.ofConfined()) {
            assertSame(matrix, new Rope(new double[4], HEAD_DIM, false).inPairs(matrix, HEAD_DIM, arena));
        }
    }

    /// 0, 1, 2, …
    private static Tensor tensor(long... shape) {
        var values = new float[(int) Arrays.stream(shape).reduce(1, Math::multiplyExact)];
        for (var i = 0; i < values.length; i++) {
            values[i] = i;
        }
        return new Tensor(
                Path.of("tiny.gguf"), "w", TensorType.F32, shape, MemorySegment.ofArray(GgufFile.floats(values)));
    }
}
