package dev.llmworker.model;

import dev.llmworker.weights.Metadata;
import dev.llmworker.weights.ModelFileException;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// The rotary positions of a model. Each pair of values of a query or key turns by an angle that grows with the
/// position.
///
/// @param frequencies by how much each pair of a head turns from one position to the next, in radians, headDim / 2;
///     0 for pairs that do not turn
/// @param turning values of a head that turn, the first ones
/// @param halfSplit whether value `i` pairs with `i + turning / 2` in the file; otherwise it pairs with its
///     neighbour, as in the programs
public record Rope(double[] frequencies, int turning, boolean halfSplit) {
    static final String FACTORS = "rope_freqs.weight";

    /// The metadata flag `<architecture>.rope.half_split` overrides the architecture's order of pairs.
    public static Rope of(StoredModel model, Architecture architecture, int headDim) throws ModelFileException {
        var metadata = model.metadata();
        var prefix = architecture.ggufName() + ".rope.";
        var turning = metadata.integer(prefix + "dimension_count", headDim);
        if (turning < 2 || turning % 2 != 0 || turning > headDim) {
            throw metadata.problem(
                    prefix + "dimension_count", "is " + turning + "; it must be even and 2 to the head's " + headDim);
        }
        var base = metadata.number(prefix + "freq_base", 10_000);
        if (!(base > 1)) {
            throw metadata.problem(prefix + "freq_base", "is " + base + "; it must be above 1");
        }
        var strength = metadata.number(prefix + "scaling.attn_factor", 1);
        if (strength != 1) {
            throw metadata.problem(prefix + "scaling.attn_factor", "is " + strength + "; supported: 1");
        }
        var slowdown = slowdown(metadata, prefix);
        var factors = model.tensors().get(FACTORS);
        if (factors != null) {
            TensorCheck.shape(factors, turning / 2);
        }
        var frequencies = new double[headDim / 2];
        for (var i = 0; i < turning / 2; i++) {
            frequencies[i] = Math.pow(base, -2.0 * i / turning) / slowdown / (factors == null ? 1 : factor(factors, i));
        }
        return new Rope(frequencies, turning, metadata.flag(prefix + "half_split", architecture.halfSplit()));
    }

    /// Reorders the rows of a matrix of queries or keys as the programs need them. It also reorders the elements
    /// of a vector that is added to them or multiplied with them.
    ///
    /// @param arena for the copy, if one is made
    public Tensor inPairs(Tensor tensor, int headDim, Arena arena) {
        if (!halfSplit) {
            return tensor;
        }
        var from = tensor.data();
        var rows = tensor.rows() == 1 ? tensor.columns() : tensor.rows();
        var rowBytes = from.byteSize() / rows;
        var to = arena.allocate(from.byteSize());
        for (var row = 0L; row < rows; row++) {
            var place = row - row % headDim + placeInPairs((int) (row % headDim));
            MemorySegment.copy(from, row * rowBytes, to, place * rowBytes, rowBytes);
        }
        return new Tensor(tensor.file(), tensor.name(), tensor.type(), tensor.shape(), to);
    }

    private int placeInPairs(int i) {
        var half = turning / 2;
        if (i >= turning) {
            return i;
        }
        return i < half ? 2 * i : 2 * (i - half) + 1;
    }

    /// The factor of linear scaling, which slows all turns. As in llama.cpp, a factor without a type means linear, and
    /// 0 means none.
    private static double slowdown(Metadata metadata, String prefix) throws ModelFileException {
        var scaling = metadata.string(prefix + "scaling.type", "linear");
        if (scaling.equals("none")) {
            return 1;
        }
        if (!scaling.equals("linear")) {
            throw metadata.problem(
                    prefix + "scaling.type", "is " + scaling + "; supported: none, linear, and Llama 3's " + FACTORS);
        }
        var key = prefix + (metadata.has(prefix + "scaling.factor") ? "scaling.factor" : "scale_linear");
        var factor = metadata.number(key, 1);
        if (factor == 0) {
            return 1;
        }
        if (!(factor >= 1)) {
            throw metadata.problem(key, "is " + factor + "; it must be at least 1");
        }
        return factor;
    }

    /// A factor of Llama 3, which slows the low frequencies to reach longer contexts.
    private static float factor(Tensor factors, int i) throws ModelFileException {
        var factor = TensorCheck.float32(factors, i);
        if (!(factor > 0)) {
            throw factors.problem("has " + factor + " at " + i + "; it must be above 0");
        }
        return factor;
    }
}
