package dev.llmworker.model.loading;

import dev.llmworker.model.LayerTensors;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Objects;

/// The matrices and biases of a layer's experts, row by row, whatever form the file has them in.
///
/// @param arena for the copies that are made
public record ExpertMatrices(StoredModel model, LayerTensors tensors, Arena arena) {
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;
    /// Rows that are transposed together.
    private static final int RUN = 64;

    private static final String GATE_UP_TRANSPOSED = "ffn_gate_up_exps_transposed";

    /// Whether a tensor has the matrices of all experts.
    static boolean isOfAll(String name) {
        return name.contains("_exps") && name.endsWith(".weight");
    }

    /// The parts of the matrix whose rows are first gates, then values.
    public List<Tensor> gateUp(int expert) throws ModelFileException {
        if (tensors.transposedExperts()) {
            var both = sliced(GATE_UP_TRANSPOSED, expert);
            return List.of(columns(both, 0, 2), columns(both, 1, 2));
        }
        if (tensors.alternatingExperts()) {
            var both = sliced("ffn_gate_up_exps_alternating", expert);
            return List.of(everySecond(both, 0), everySecond(both, 1));
        }
        return tensors.joinedFeedForward()
                ? List.of(sliced("ffn_gate_up_exps", expert))
                : List.of(stored("ffn_gate", expert), stored("ffn_up", expert));
    }

    public Tensor down(int expert) throws ModelFileException {
        return tensors.transposedDown()
                ? columns(sliced("ffn_down_exps_transposed", expert), 0, 1)
                : stored("ffn_down", expert);
    }

    /// The biases of all experts: of gates and values in one vector for each expert, or in two.
    public List<Tensor> gateUpBiases() throws ModelFileException {
        if (tensors.transposedExperts() || tensors.alternatingExperts()) {
            var both = tensor(GATE_UP_TRANSPOSED + ".bias");
            var flat = new Tensor(both.file(), both.name(), both.type(), new long[] {both.elements()}, both.data());
            return List.of(columns(flat, 0, 2), columns(flat, 1, 2));
        }
        return tensors.joinedFeedForward()
                ? List.of(tensor("ffn_gate_up_exps.bias"))
                : List.of(tensor("ffn_gate_exps.bias"), tensor("ffn_up_exps.bias"));
    }

    private Tensor stored(String part, int expert) throws ModelFileException {
        return tensors.separateExperts() ? tensor(part + "." + expert + ".weight") : sliced(part + "_exps", expert);
    }

    private Tensor sliced(String part, int expert) throws ModelFileException {
        var name = tensors.block() + part + ".weight";
        return model.tensor(name)
                .slice(expert, Objects.requireNonNull(tensors.shapes().get(name), name))
                .inBlocks(arena);
    }

    private Tensor tensor(String part) throws ModelFileException {
        return model.tensor(tensors.block() + part);
    }

    /// Every second row of a matrix.
    private Tensor everySecond(Tensor matrix, int first) {
        var rowBytes = matrix.data().byteSize() / matrix.rows();
        var rows = matrix.rows() / 2;
        var to = arena.allocate(rows * rowBytes);
        for (var row = 0L; row < rows; row++) {
            MemorySegment.copy(matrix.data(), (2 * row + first) * rowBytes, to, row * rowBytes, rowBytes);
        }
        return new Tensor(
                matrix.file(), matrix.name() + "/" + first, matrix.type(), new long[] {matrix.columns(), rows}, to);
    }

    /// Every `step`th column of a matrix that is not quantised, as rows. A column is copied in runs of some rows.
    private Tensor columns(Tensor matrix, int first, int step) {
        int size = matrix.type().blockBytes(), halves = size / Short.BYTES;
        var columns = Math.toIntExact(matrix.columns());
        var rows = matrix.rows();
        var taken = (columns - first + step - 1) / step;
        var to = arena.allocate(taken * rows * size);
        var tile = new short[(int) Math.min(RUN, rows)][columns * halves];
        var run = new short[RUN * halves];
        for (var row = 0L; row < rows; row += RUN) {
            var count = (int) Math.min(RUN, rows - row);
            for (var r = 0; r < count; r++) {
                MemorySegment.copy(matrix.data(), SHORT, (row + r) * columns * size, tile[r], 0, columns * halves);
            }
            for (var i = 0; i < taken; i++) {
                var column = (first + i * step) * halves;
                for (var r = 0; r < count; r++) {
                    for (var half = 0; half < halves; half++) {
                        run[r * halves + half] = tile[r][column + half];
                    }
                }
                MemorySegment.copy(run, 0, to, SHORT, (i * rows + row) * size, count * halves);
            }
        }
        var shape = rows == 1 ? new long[] {taken} : new long[] {rows, taken};
        return new Tensor(matrix.file(), matrix.name() + "/" + first, matrix.type(), shape, to);
    }
}
