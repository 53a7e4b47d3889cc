package dev.llmworker.model.loading;

import dev.llmworker.model.device.Precision;
import dev.llmworker.weights.content.Tensor;
import dev.llmworker.weights.content.TensorType;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// What the tensors of a type become on this machine.
///
/// @param tensors their number
/// @param weights their elements
/// @param held as what the largest of them is held: `4-bit codes`
/// @param bytesPerWeight that it takes
/// @param faster the type of which a step would read much less; null if there is none
/// @param fasterBytes what that one would take for a weight
public record HeldType(
        TensorType type,
        int tensors,
        long weights,
        String held,
        double bytesPerWeight,
        @Nullable TensorType faster,
        double fasterBytes) {
    /// Below this part of the bytes, a step is faster by more than can be mistaken.
    private static final double MUCH_LESS = 0.8;

    /// Of vectors, or of an embedding that stays as it is.
    static HeldType of(TensorType type, int tensors, long weights, String held, double bytesPerWeight) {
        return new HeldType(type, tensors, weights, held, bytesPerWeight, null, 0);
    }

    /// @param matrix the largest one of its type
    /// @param dense the format of dense matrices
    static HeldType of(
            int tensors,
            long weights,
            Tensor matrix,
            WeightLayout few,
            WeightLayout many,
            Precision dense,
            Reading step) {
        var type = matrix.type();
        var held = few.text(type, dense) + (many == few ? "" : " and " + many.text(type, dense));
        var bytes = few.bytes(matrix, dense) + (many == few ? 0 : many.bytes(matrix, dense));
        var read = perWeight(matrix, few.bytes(matrix, dense));
        var best = Arrays.stream(TensorType.values())
                .filter(other -> matrix.columns() % other.blockElements() == 0)
                .min(Comparator.<TensorType>comparingDouble(other -> step.bytes(matrix.as(other)))
                        // Of those that a step reads alike, the one with the most bits.
                        .thenComparing(other -> -(double) other.blockBytes() / other.blockElements()))
                .orElse(type);
        var least = perWeight(matrix, step.bytes(matrix.as(best)));
        var isMuch = least < MUCH_LESS * read;
        return new HeldType(
                type, tensors, weights, held, perWeight(matrix, bytes), isMuch ? best : null, isMuch ? least : 0);
    }

    /// Of a type that a step reads too little of for another one to matter.
    HeldType withoutFaster() {
        return new HeldType(type, tensors, weights, held, bytesPerWeight, null, 0);
    }

    /// What a step reads of a matrix, in bytes.
    interface Reading {
        long bytes(Tensor matrix);
    }

    private static double perWeight(Tensor matrix, long bytes) {
        return (double) bytes / matrix.elements();
    }

    /// `Q3_K: 90.1 million in 120 tensors, held as 4-bit codes: 0.63 bytes each`.
    @Override
    public String toString() {
        var text = String.format(
                Locale.ROOT,
                "%s: %.1f million in %d tensor%s, held as %s: %.2f bytes each",
                type,
                weights / 1e6,
                tensors,
                tensors == 1 ? "" : "s",
                held,
                bytesPerWeight);
        return faster == null
                ? text
                : text + String.format(Locale.ROOT, "; %s would take %.2f, and be faster", faster, fasterBytes);
    }
}
