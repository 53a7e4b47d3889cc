package dev.llmworker.weights.content;

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
/// @param packed the elements if the file has them in another form than `type`. Then `data` is empty, and a
/// program takes
///     [#inBlocks(Arena)]
public record Tensor(
        Path file,
        String name,
        TensorType type,
        long[] shape,
        MemorySegment data,
        @Nullable Packed packed) {
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
                packed == null ? part(data, index, parts) : data,
                packed == null ? null : packed.part(index, parts));
    }

    /// One of the equal parts of elements that are as in a file.
    public static MemorySegment part(MemorySegment whole, int index, long parts) {
        var bytes = whole.byteSize() / parts;
        return whole.asSlice(index * bytes, bytes);
    }

    /// A tensor of this shape in another type, without data.
    public Tensor as(TensorType other) {
        return new Tensor(file, name, other, shape, MemorySegment.NULL);
    }

    /// In the form of its type: the tensor itself, or a copy if the file has another form.
    ///
    /// @param arena shared between threads
    public Tensor inBlocks(Arena arena) {
        if (packed == null) {
            return this;
        }
        var blocks = arena.allocate(bytes());
        packed.write(blocks);
        return new Tensor(file, name, type, shape, blocks);
    }

    /// What it takes in the form of its type, in bytes.
    public long bytes() {
        return elements() / type.blockElements() * type.blockBytes();
    }

    /// What it takes in the file, in bytes.
    public long storedBytes() {
        return packed == null ? data.byteSize() : packed.storedBytes();
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
