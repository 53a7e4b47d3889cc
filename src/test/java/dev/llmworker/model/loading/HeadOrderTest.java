package dev.llmworker.model.loading;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import dev.llmworker.model.Attention;
import dev.llmworker.model.Rope;
import dev.llmworker.weights.GgufFile;
import dev.llmworker.weights.content.Tensor;
import dev.llmworker.weights.content.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class HeadOrderTest {
    private static final int HEAD_DIM = 8;

    @Test
    void eachHeadsHalvesAreInterleavedAndWhatDoesNotTurnStays() {
        var bias = tensor(2 * HEAD_DIM);
        try (var arena = Arena.ofConfined()) {
            var reordered = order(3, true, arena).heads(bias);
            assertArrayEquals(
                    new float[] {0, 3, 1, 4, 2, 5, 6, 7, 8, 11, 9, 12, 10, 13, 14, 15},
                    reordered.data().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED));
        }
    }

    @Test
    void rowsOfAMatrixMoveAsAWhole() {
        var matrix = tensor(2, HEAD_DIM);
        try (var arena = Arena.ofConfined()) {
            var reordered = order(4, true, arena).heads(matrix);
            assertArrayEquals(
                    new float[] {0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15},
                    reordered.data().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED));
        }
    }

    @Test
    void whatLiesInPairsIsNotCopied() {
        var matrix = tensor(2, HEAD_DIM);
        try (var arena = Arena.ofConfined()) {
            assertSame(matrix, order(4, false, arena).heads(matrix));
        }
    }

    @Test
    void valuesThatAreJoinedToThemStay() {
        var joined = tensor(4 * HEAD_DIM);
        try (var arena = Arena.ofConfined()) {
            var reordered = order(4, true, arena).joined(joined).data().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
            assertArrayEquals(new float[] {16, 20, 17, 21, 18, 22, 19, 23}, Arrays.copyOfRange(reordered, 16, 24));
            assertArrayEquals(new float[] {24, 25, 26, 27, 28, 29, 30, 31}, Arrays.copyOfRange(reordered, 24, 32));
        }
    }

    /// Of each of two key heads: two heads of queries, one of keys, one of values, of two numbers each.
    @Test
    void whatBelongsToAKeyHeadIsTakenApart() {
        try (var arena = Arena.ofConfined()) {
            var rope = new Rope(new double[1], 1, true);
            var ordered = new HeadOrder(attention(4, 2, 2, rope), true, arena).joined(tensor(16));
            assertArrayEquals(
                    new float[] {0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15},
                    ordered.data().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED));
        }
    }

    @Test
    void queriesAndGatesOfEachHeadAreTakenApart() {
        var both = tensor(1, 4 * HEAD_DIM);
        try (var arena = Arena.ofConfined()) {
            var order = order(4, true, arena);
            var queries = order.queries(both).data().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
            var gates = order.gates(both).data().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
            assertArrayEquals(new float[] {6, 7, 16, 17}, Arrays.copyOfRange(queries, 6, 10));
            assertArrayEquals(new float[] {14, 15, 24, 25}, Arrays.copyOfRange(gates, 6, 10));
        }
    }

    /// Two heads of queries, one of keys.
    private static HeadOrder order(int pairs, boolean halfSplit, Arena arena) {
        var rope = new Rope(new double[pairs], 1, halfSplit);
        return new HeadOrder(attention(2, 1, HEAD_DIM, rope), false, arena);
    }

    private static Attention attention(int heads, int kvHeads, int headDim, Rope rope) {
        var none = Attention.HeadNorm.NONE;
        return new Attention(
                heads,
                kvHeads,
                headDim,
                0,
                rope,
                1,
                0,
                null,
                none,
                false,
                false,
                false,
                false,
                false,
                false,
                false,
                Attention.OWN_KEYS);
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
