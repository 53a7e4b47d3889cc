package dev.llmworker.model;

import dev.llmworker.weights.Gguf;
import dev.llmworker.weights.ModelFileException;
import dev.llmworker.weights.Tensor;
import dev.llmworker.weights.TensorType;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;

/// That a tensor has the shape that the model's metadata asks for.
final class TensorCheck {
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private TensorCheck() {}

    static void vector(Gguf model, Tensor tensor, long length) throws ModelFileException {
        check(model, tensor, length);
    }

    static void matrix(Gguf model, Tensor tensor, long rows, long columns) throws ModelFileException {
        check(model, tensor, columns, rows);
    }

    /// An element of an F32 vector.
    static float float32(Gguf model, Tensor tensor, long index) throws ModelFileException {
        if (tensor.type() != TensorType.F32) {
            throw new ModelFileException(
                    model.file(), "tensor " + tensor.name() + " is " + tensor.type() + "; supported here: F32");
        }
        return tensor.data().getAtIndex(FLOAT, index);
    }

    private static void check(Gguf model, Tensor tensor, long... expected) throws ModelFileException {
        if (!Arrays.equals(withoutTrailingOnes(tensor.shape()), withoutTrailingOnes(expected))) {
            throw new ModelFileException(
                    model.file(),
                    "tensor " + tensor.name() + " has shape " + Arrays.toString(tensor.shape())
                            + "; the metadata asks for " + Arrays.toString(expected) + " (columns first)");
        }
    }

    private static long[] withoutTrailingOnes(long[] shape) {
        var length = shape.length;
        while (length > 1 && shape[length - 1] == 1) {
            length--;
        }
        return Arrays.copyOf(shape, length);
    }
}
