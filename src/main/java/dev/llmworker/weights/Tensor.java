package dev.llmworker.weights;

import java.lang.foreign.MemorySegment;

/// A tensor of a model file. Equality is that of the array and segment objects and means nothing.
///
/// @param shape 1 to 4 sizes, each at least 1, as GGUF has them: columns first. A matrix that PyTorch shows as
///     `[rows, columns]` is `[columns, rows]`
/// @param data the elements as the file has them, little-endian, `elements() / blockElements * blockBytes` bytes;
///     read-only, and valid until the file is closed. It may be larger than 2 GB, which no `ByteBuffer` holds
public record Tensor(String name, TensorType type, long[] shape, MemorySegment data) {
    public Tensor {
        shape = shape.clone();
    }

    @Override
    public long[] shape() {
        return shape.clone();
    }

    /// Elements of a row: a multiple of the type's block.
    public long columns() {
        return shape[0];
    }

    /// Rows of all but the first dimension together; 1 for a vector.
    public long rows() {
        return elements() / shape[0];
    }

    public long elements() {
        var elements = 1L;
        for (var size : shape) {
            elements *= size;
        }
        return elements;
    }
}
