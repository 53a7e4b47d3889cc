package dev.llmworker.weights;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// A tensor of a model file. Equality compares the identity of the array and segment, so it means nothing.
///
/// @param file the tensor's file, for messages
/// @param name the name in the file
/// @param shape 1 to 4 sizes, each at least 1, columns first as in GGUF: PyTorch's `[rows, columns]` is
///     `[columns, rows]` here
/// @param data the elements as stored: little-endian, `elements() / blockElements * blockBytes` bytes, read-only,
///     valid until the file is closed. It may be larger than 2 GB, which no `ByteBuffer` can hold
/// @param scales of MXFP4, if the file has them apart from the quants: a byte for each block
public record Tensor(
        Path file,
        String name,
        TensorType type,
        long[] shape,
        MemorySegment data,
        @Nullable MemorySegment scales) {
    public Tensor(Path file, String name, TensorType type, long[] shape, MemorySegment data) {
        this(file, name, type, shape, data, null);
    }

    public Tensor {
        shape = shape.clone();
    }

    @Override
    public long[] shape() {
        return shape.clone();
    }

    /// The number of elements in a row: a multiple of the type's block.
    public long columns() {
        return shape[0];
    }

    /// The product of all dimensions but the first; 1 for a vector.
    public long rows() {
        return elements() / shape[0];
    }

    /// One of the equal parts along the last dimension.
    ///
    /// @param whole the shape to cut. The file's own may have more or fewer ones at its end
    public Tensor slice(int index, long... whole) {
        var parts = whole[whole.length - 1];
        return new Tensor(
                file,
                name + "[" + index + "]",
                type,
                Arrays.copyOf(whole, whole.length - 1),
                part(data, index, parts),
                scales == null ? null : part(scales, index, parts));
    }

    private static MemorySegment part(MemorySegment whole, int index, long parts) {
        var bytes = whole.byteSize() / parts;
        return whole.asSlice(index * bytes, bytes);
    }

    /// A tensor of this shape in another type, without data.
    public Tensor as(TensorType other) {
        return new Tensor(file, name, other, shape, MemorySegment.NULL);
    }

    /// Joins quants and scales.
    Tensor withScales(String whole, MemorySegment theirs) {
        return new Tensor(file, whole, type, shape, data, theirs);
    }

    /// With blocks as GGUF has them: the tensor itself, or a copy if its scales are apart.
    public Tensor inBlocks(Arena arena) {
        if (scales == null) {
            return this;
        }
        var blocks = arena.allocate(scales.byteSize() * type.blockBytes());
        SplitBlocks.write(data, scales, blocks);
        return new Tensor(file, name, type, shape, blocks);
    }

    public long elements() {
        var elements = 1L;
        for (var size : shape) {
            elements *= size;
        }
        return elements;
    }

    /// An element of a tensor that is not quantised.
    ///
    /// @throws IllegalStateException if it is
    public float element(long index) {
        if (!type.isPlain()) {
            throw new IllegalStateException("an element of " + name + ", which is " + type);
        }
        if (type == TensorType.F32) {
            return Float.intBitsToFloat(data.get(ValueType.INT, index * Float.BYTES));
        }
        var bits = data.get(ValueType.SHORT, index * Short.BYTES);
        return type == TensorType.F16 ? Float.float16ToFloat(bits) : Float.intBitsToFloat(bits << Short.SIZE);
    }

    /// Checks all elements, or all scales of a quantised tensor.
    ///
    /// @throws ModelFileException if one of them is NaN or infinite
    public void checkFinite() throws ModelFileException {
        var problem = FiniteCheck.problem(this);
        if (problem.isPresent()) {
            throw problem(problem.get() + "; expected finite numbers");
        }
    }

    /// @param problem what is wrong with the tensor
    public ModelFileException problem(String problem) {
        return new ModelFileException(file, "tensor " + name + " " + problem);
    }
}
