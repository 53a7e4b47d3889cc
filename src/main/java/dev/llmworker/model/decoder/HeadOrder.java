package dev.llmworker.model.decoder;

import dev.llmworker.model.Attention;
import dev.llmworker.weights.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Reorders the rows of query and key heads. The programs turn neighbouring values of a head as pairs; many files have
/// the values of a pair half a head apart.
///
/// @param arena for the copies that are made
record HeadOrder(Attention attention, Arena arena) {
    /// A matrix whose rows are values of heads, or a vector that is added to them or multiplied with them.
    Tensor heads(Tensor tensor) {
        return ordered(tensor, Long.MAX_VALUE);
    }

    /// Queries, keys and values: the values stay as they are.
    Tensor joined(Tensor tensor) {
        return ordered(tensor, attention.queryWidth() + attention.keyWidth());
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

    private Tensor ordered(Tensor tensor, long turning) {
        var rope = attention.rope();
        if (rope == null || !rope.halfSplit()) {
            return tensor;
        }
        var from = tensor.data();
        var rows = tensor.rows() == 1 ? tensor.columns() : tensor.rows();
        var rowBytes = from.byteSize() / rows;
        var to = arena.allocate(from.byteSize());
        for (var row = 0L; row < rows; row++) {
            var inHead = (int) (row % attention.headDim());
            var place = row < turning ? row - inHead + placeInPairs(inHead, rope.turning()) : row;
            MemorySegment.copy(from, row * rowBytes, to, place * rowBytes, rowBytes);
        }
        return new Tensor(tensor.file(), tensor.name(), tensor.type(), tensor.shape(), to);
    }

    private static int placeInPairs(int i, int turning) {
        var half = turning / 2;
        if (i >= turning) {
            return i;
        }
        return i < half ? 2 * i : 2 * (i - half) + 1;
    }
}
