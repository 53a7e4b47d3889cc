package dev.llmworker.model.loading;

import dev.llmworker.model.Attention;
import dev.llmworker.weights.content.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import java.util.function.LongUnaryOperator;

/// Reorders the rows of query and key heads. The programs turn neighbouring values of a head as pairs; many files have
/// the values of a pair half a head apart.
///
/// @param grouped whether a joined matrix has the queries of each key head, then this and its value head
/// @param arena for the copies that are made
record HeadOrder(Attention attention, boolean grouped, Arena arena) {
    /// A matrix whose rows are values of heads, or a vector that is added to them or multiplied with them.
    Tensor heads(Tensor tensor) {
        return isHalfSplit() ? ordered(tensor, this::turned) : tensor;
    }

    /// Queries, keys and values: the values stay as they are.
    Tensor joined(Tensor tensor) {
        if (!grouped && !isHalfSplit()) {
            return tensor;
        }
        long turning = attention.queryWidth() + attention.keyWidth(), dim = attention.headDim();
        var ungrouped =
                RowOrder.ungrouped(attention.kvHeads(), (long) attention.queryWidth() / attention.kvHeads(), dim, dim);
        return ordered(tensor, row -> {
            var place = grouped ? ungrouped.applyAsLong(row) : row;
            return isHalfSplit() && place < turning ? turned(place) : place;
        });
    }

    /// The queries of a matrix or vector that has the gate of each head behind its queries.
    Tensor queries(Tensor gated) {
        return half(gated, 0);
    }

    /// The gates of the same.
    Tensor gates(Tensor gated) {
        return half(gated, 1);
    }

    private Tensor half(Tensor both, int which) {
        var from = both.data();
        var headBytes = from.byteSize() / (2L * attention.heads());
        var to = arena.allocate(from.byteSize() / 2);
        for (var head = 0L; head < attention.heads(); head++) {
            MemorySegment.copy(from, (2 * head + which) * headBytes, to, head * headBytes, headBytes);
        }
        var shape = both.rows() == 1
                ? new long[] {attention.queryWidth()}
                : new long[] {both.columns(), attention.queryWidth()};
        return new Tensor(both.file(), both.name(), both.type(), shape, to);
    }

    private boolean isHalfSplit() {
        return attention.rope() != null && attention.rope().halfSplit();
    }

    private Tensor ordered(Tensor tensor, LongUnaryOperator place) {
        return RowOrder.ordered(tensor, place, arena);
    }

    private long turned(long row) {
        var inHead = (int) (row % attention.headDim());
        return row
                - inHead
                + placeInPairs(inHead, Objects.requireNonNull(attention.rope()).turning());
    }

    private static int placeInPairs(int i, int turning) {
        var half = turning / 2;
        if (i >= turning) {
            return i;
        }
        return i < half ? 2 * i : 2 * (i - half) + 1;
    }
}
