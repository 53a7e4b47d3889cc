package dev.llmworker.model.loading;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.llmworker.model.LayerTensors;
import dev.llmworker.weights.Gguf;
import dev.llmworker.weights.GgufFile;
import dev.llmworker.weights.content.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Matrices that are stored column by column. They are copied in runs of 64 rows.
class ExpertMatricesTest {
    private static final int EXPERTS = 3;

    @TempDir
    private Path directory;

    @ParameterizedTest
    @CsvSource({"2, 3", "40, 70", "63, 2", "64, 64", "65, 128", "130, 33"})
    void columnsBecomeRowsWhateverTheirNumber(int hidden, int width) throws Exception {
        var file = new GgufFile()
                .string("general.architecture", "none")
                .floats(
                        "blk.0.ffn_gate_up_exps_transposed.weight",
                        counted(2 * width * hidden * EXPERTS),
                        2L * width,
                        hidden,
                        EXPERTS)
                .floats(
                        "blk.0.ffn_down_exps_transposed.weight",
                        counted(hidden * width * EXPERTS),
                        hidden,
                        width,
                        EXPERTS);
        var shapes = Map.of(
                "blk.0.ffn_gate_up_exps_transposed.weight", new long[] {2L * width, hidden, EXPERTS},
                "blk.0.ffn_down_exps_transposed.weight", new long[] {hidden, width, EXPERTS});
        var tensors = new LayerTensors("blk.0.", "", false, false, true, false, true, shapes, Map.of(), Set.of());
        try (var model = Gguf.open(file.write(directory.resolve("experts.gguf")));
                var arena = Arena.ofConfined()) {
            var matrices = new ExpertMatrices(model, tensors, arena);
            for (var expert = 0; expert < EXPERTS; expert++) {
                var halves = matrices.gateUp(expert);
                assertEquals(2, halves.size());
                for (var half = 0; half < 2; half++) {
                    var expected = new float[width * hidden];
                    for (var i = 0; i < expected.length; i++) {
                        expected[i] = (expert * hidden + i % hidden) * 2 * width + 2 * (i / hidden) + half;
                    }
                    assertMatrix(expected, width, hidden, halves.get(half));
                }
                var expected = new float[width * hidden];
                for (var i = 0; i < expected.length; i++) {
                    expected[i] = (expert * width + i % width) * hidden + i / width;
                }
                assertMatrix(expected, hidden, width, matrices.down(expert));
            }
        }
    }

    private static void assertMatrix(float[] expected, int rows, int columns, Tensor found) {
        assertEquals(rows, found.rows());
        assertEquals(columns, found.columns());
        assertArrayEquals(expected, found.data().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED));
    }

    private static float[] counted(int count) {
        var numbers = new float[count];
        for (var i = 0; i < count; i++) {
            numbers[i] = i;
        }
        return numbers;
    }
}
