package dev.llmworker.model;

import dev.llmworker.weights.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/// The rows of one or more tensors, one under the other, as the program takes them: bytes of the file in pieces.
record MatrixRows(List<MemorySegment> pieces, long[] types, long[] counts, long columns) {
    /// The most bytes of a tensor that cross over in one piece: a `ByteBuffer` ends at 2 GB.
    private static final long PIECE_BYTES = 1L << 30;

    private static final int ROWS_MULTIPLE = 64;

    MatrixRows(List<Tensor> tensors) {
        var pieces = new ArrayList<MemorySegment>();
        var types = new ArrayList<Long>();
        var counts = new ArrayList<Long>();
        for (var tensor : tensors) {
            var bytesPerRow = tensor.data().byteSize() / tensor.rows();
            for (var piece : pieces(tensor)) {
                pieces.add(piece);
                types.add((long) tensor.type().ggufId());
                counts.add(piece.byteSize() / bytesPerRow);
            }
        }
        this(pieces, longs(types), longs(counts), tensors.getFirst().columns());
    }

    /// A tensor's bytes, cut at multiples of 64 rows where it is large.
    static List<MemorySegment> pieces(Tensor tensor) {
        var data = tensor.data();
        if (data.byteSize() <= PIECE_BYTES) {
            return List.of(data);
        }
        var step = ROWS_MULTIPLE * (data.byteSize() / tensor.rows());
        step = Math.max(step, PIECE_BYTES / step * step);
        var pieces = new ArrayList<MemorySegment>();
        for (var start = 0L; start < data.byteSize(); start += step) {
            pieces.add(data.asSlice(start, Math.min(step, data.byteSize() - start)));
        }
        return pieces;
    }

    private static long[] longs(List<Long> values) {
        return values.stream().mapToLong(Long::longValue).toArray();
    }
}
