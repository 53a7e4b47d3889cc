package dev.llmworker.weights;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/// A tensor of a model file. Equality is that of the array and segment objects and means nothing.
///
/// @param file the one it lies in, for messages
/// @param name the file's own
/// @param shape 1 to 4 sizes, each at least 1, columns first, as GGUF has them. A matrix that PyTorch shows as
///     `[rows, columns]` is `[columns, rows]`
/// @param data the elements as the file has them, little-endian, `elements() / blockElements * blockBytes` bytes;
///     read-only, and valid until the file is closed. It may be larger than 2 GB, which no `ByteBuffer` holds
public record Tensor(Path file, String name, TensorType type, long[] shape, MemorySegment data) {
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

    /// Reads all elements, or all scales where it is quantised.
    ///
    /// @throws ModelFileException when one of them is NaN or infinite
    public void checkFinite() throws ModelFileException {
        var problem = FiniteCheck.problem(this);
        if (problem.isPresent()) {
            throw problem(problem.get() + "; expected finite numbers");
        }
    }

    /// @param problem what is wrong with it
    public ModelFileException problem(String problem) {
        return new ModelFileException(file, "tensor " + name + " " + problem);
    }
}
