package dev.llmworker.model.loading;

import dev.llmworker.weights.content.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/// The bytes of a matrix, joined from some of the file's, as a program takes them.
///
/// @param pieces of all parts, row after row
/// @param types GGUF's number of each piece's type
/// @param rows of each piece
public record MatrixParts(List<MemorySegment> pieces, long[] types, long[] rows, long columns) {
    /// The most bytes of a piece: a `ByteBuffer` ends at 2 GB.
    private static final long PIECE_BYTES = 1L << 30;

    private static final int ROWS_MULTIPLE = 64;

    public static MatrixParts of(List<Tensor> tensors) {
        var pieces = new ArrayList<MemorySegment>();
        var types = new ArrayList<Long>();
        var rows = new ArrayList<Long>();
        for (var tensor : tensors) {
            var bytesPerRow = tensor.data().byteSize() / tensor.rows();
            for (var piece : pieces(tensor)) {
                pieces.add(piece);
                types.add((long) tensor.type().ggufId());
                rows.add(piece.byteSize() / bytesPerRow);
            }
        }
        return new MatrixParts(
                pieces, longs(types), longs(rows), tensors.getFirst().columns());
    }

    /// A tensor's bytes. A large one is cut at multiples of 64 rows.
    public static List<MemorySegment> pieces(Tensor tensor) {
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
