package dev.llmworker.model;

import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// One kind of rotary positions. Each pair of values of a query or key turns by an angle that grows with the position.
/// Layers of one model may have different kinds.
///
/// @param frequencies by how much each pair turns from one position to the next, in radians; a head has at least two
///     values for each
/// @param strength a factor of all turned values, which scaling for long contexts asks for
/// @param halfSplit whether value `i` pairs with `i + turning() / 2` in the file; otherwise it pairs with its
///     neighbour, as in the programs
/// @param longer what it has instead in long contexts; null if all are the same
public record Rope(
        double[] frequencies,
        double strength,
        boolean halfSplit,
        @Nullable Longer longer) {
    /// @param beyond the context that is not long yet
    public record Longer(int beyond, double[] frequencies) {
        @Override
        public boolean equals(Object other) {
            return other instanceof Longer longer
                    && beyond == longer.beyond
                    && Arrays.equals(frequencies, longer.frequencies);
        }

        @Override
        public int hashCode() {
            return Arrays.hashCode(frequencies) + beyond;
        }
    }

    public Rope(double[] frequencies, double strength, boolean halfSplit) {
        this(frequencies, strength, halfSplit, null);
    }

    /// The rotary positions for a context of this length.
    Rope forContext(int length) {
        return longer == null
                ? this
                : new Rope(length > longer.beyond ? longer.frequencies : frequencies, strength, halfSplit);
    }

    /// Values of a head that turn, the first ones.
    public int turning() {
        return 2 * frequencies.length;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Rope rope
                && Arrays.equals(frequencies, rope.frequencies)
                && strength == rope.strength
                && halfSplit == rope.halfSplit
                && Objects.equals(longer, rope.longer);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(frequencies) + Double.hashCode(strength);
    }
}
