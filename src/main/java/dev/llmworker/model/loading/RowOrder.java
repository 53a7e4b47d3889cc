package dev.llmworker.model.loading;

import dev.llmworker.weights.content.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.function.LongUnaryOperator;

/// Puts the rows of a matrix, or the elements of a vector, in another order.
final class RowOrder {
    private RowOrder() {}

    /// @param place of each row
    /// @param arena holds the copy
    static Tensor ordered(Tensor tensor, LongUnaryOperator place, Arena arena) {
        var from = tensor.data();
        var rows = tensor.rows() == 1 ? tensor.columns() : tensor.rows();
        var rowBytes = from.byteSize() / rows;
        var to = arena.allocate(from.byteSize());
        for (var row = 0L; row < rows; row++) {
            MemorySegment.copy(from, row * rowBytes, to, place.applyAsLong(row) * rowBytes, rowBytes);
        }
        return new Tensor(tensor.file(), tensor.name(), tensor.type(), tensor.shape(), to);
    }

    /// From groups that each have some rows of all parts, to the first parts of all groups, then the second ones and so
    /// on.
    ///
    /// @param sizes rows of each part in a group
    static LongUnaryOperator ungrouped(long groups, long... sizes) {
        var size = Arrays.stream(sizes).sum();
        return row -> {
            long group = row / size, within = row % size, before = 0;
            var part = 0;
            while (within >= before + sizes[part]) {
                before += sizes[part++];
            }
            return groups * before + group * sizes[part] + within - before;
        };
    }
}
