package dev.llmworker.model.architecture;

import dev.llmworker.model.Rope;
import dev.llmworker.model.TensorCheck;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.Tensor;
import java.util.HashMap;
import java.util.Map;
import java.util.function.IntToDoubleFunction;

/// The rotary positions of a model: by which base pairs turn, and how they are scaled for long contexts.
///
/// Sources: `modeling_rope_utils.py` of transformers, `ggml_rope_yarn` of llama.cpp.
final class Ropes {
    private static final double DEFAULT_BASE = 10_000;
    /// YaRN: pairs that turn more often than this in the original context are not scaled.
    private static final double DEFAULT_FAST = 32;
    /// YaRN: pairs that turn less often than this are scaled in full.
    private static final double DEFAULT_SLOW = 1;

    private final StoredModel model;
    private final Keys keys;
    private final boolean halfSplit;
    private final int trainedLength;
    /// One for all layers whose heads are of the same size: together, those of each layer could fill the memory.
    private final Map<Integer, Rope> ropes = new HashMap<>();
    /// Likewise of layers with a window.
    private final Map<Integer, Rope> slidingRopes = new HashMap<>();
    /// Whether YaRN rounds the pairs between which it mixes, if the metadata do not say.
    boolean truncated = true;

    /// @param halfSplit the order of pairs
    /// @param trainedLength the longest context that the model was trained for
    Ropes(StoredModel model, Keys keys, boolean halfSplit, int trainedLength) {
        this.model = model;
        this.keys = keys;
        this.halfSplit = halfSplit;
        this.trainedLength = trainedLength;
    }

    /// Rotary positions as the metadata have them.
    Rope of(int headDim) throws ModelFileException {
        var known = ropes.get(headDim);
        if (known == null) {
            known = scaled("rope.dimension_count", headDim, base("rope.freq_base", DEFAULT_BASE));
            ropes.put(headDim, known);
        }
        return known;
    }

    /// Rotary positions of layers with a window.
    ///
    /// @param localBase if the metadata have none; 0 is the base of other layers
    /// @param unscaled whether they are never scaled
    Rope ofSliding(int headDim, double localBase, boolean unscaled) throws ModelFileException {
        var known = slidingRopes.get(headDim);
        if (known == null) {
            var base = base("rope.freq_base_swa", localBase == 0 ? base("rope.freq_base", DEFAULT_BASE) : localBase);
            var own = keys.has("rope.dimension_count_swa") ? "rope.dimension_count_swa" : "rope.dimension_count";
            known = unscaled || keys.flag("rope.unscaled_swa", false)
                    ? rope(base, turning(own, headDim), _ -> 1, 1)
                    : scaled(own, headDim, base);
            slidingRopes.put(headDim, known);
        }
        return known;
    }

    /// @param size the key of how many values of a head turn
    private Rope scaled(String size, int headDim, double base) throws ModelFileException {
        var turning = turning(size, headDim);
        if (keys.hasTensor(TensorCheck.LONG_FACTORS)
                || keys.hasTensor(TensorCheck.SHORT_FACTORS)
                || scaling().equals("longrope")) {
            return longRope(base, turning);
        }
        var factors = factors(turning / 2);
        return switch (scaling()) {
            case "none" -> rope(base, turning, factors, strength());
            case "linear" -> {
                var slowdown = slowdown();
                yield rope(base, turning, i -> slowdown * factors.applyAsDouble(i), strength());
            }
            case "yarn" -> {
                var yarn = yarn(base, turning);
                yield rope(base, turning, i -> yarn.applyAsDouble(i) * factors.applyAsDouble(i), yarnStrength());
            }
            default ->
                throw keys.problem(
                        "rope.scaling.type", "is " + scaling() + "; supported: none, linear, yarn, longrope");
        };
    }

    /// Contexts that are longer than the original one have other factors. Both lists must be there.
    private Rope longRope(double base, int turning) throws ModelFileException {
        var longer = frequencies(base, turning, factors(TensorCheck.LONG_FACTORS, turning / 2));
        var shorter = frequencies(base, turning, factors(TensorCheck.SHORT_FACTORS, turning / 2));
        return new Rope(shorter, strength(), halfSplit, new Rope.Longer(originalLength(), longer));
    }

    private Rope rope(double base, int turning, IntToDoubleFunction slowdown, double strength) {
        return new Rope(frequencies(base, turning, slowdown), strength, halfSplit);
    }

    private static double[] frequencies(double base, int turning, IntToDoubleFunction slowdown) {
        var frequencies = new double[turning / 2];
        for (var i = 0; i < frequencies.length; i++) {
            frequencies[i] = Math.pow(base, -2.0 * i / turning) / slowdown.applyAsDouble(i);
        }
        return frequencies;
    }

    private int turning(String size, int headDim) throws ModelFileException {
        var turning = keys.count(size, Integer.MAX_VALUE, headDim);
        if (turning < 2 || turning % 2 != 0 || turning > headDim) {
            throw keys.problem(size, "is " + turning + "; it must be even and 2 to the head's " + headDim);
        }
        return turning;
    }

    private double base(String key, double fallback) throws ModelFileException {
        var base = keys.number(key, fallback);
        if (!(base > 1)) {
            throw keys.problem(key, "is " + base + "; it must be above 1");
        }
        return base;
    }

    /// As in llama.cpp, a factor without a type means linear.
    private String scaling() throws ModelFileException {
        var type = keys.text("rope.scaling.type");
        return type == null ? "linear" : type;
    }

    private double strength() throws ModelFileException {
        return keys.positive("rope.scaling.attn_factor", 1);
    }

    /// The factor of linear scaling, which slows all turns. As in llama.cpp, 0 means none.
    private double slowdown() throws ModelFileException {
        var key = keys.has("rope.scaling.factor") ? "rope.scaling.factor" : "rope.scale_linear";
        var factor = keys.number(key, 1);
        if (factor == 0) {
            return 1;
        }
        if (!(factor >= 1)) {
            throw keys.problem(key, "is " + factor + "; it must be at least 1");
        }
        return factor;
    }

    /// YaRN (Peng and others 2023): pairs that turn often keep their speed, those that turn seldom are slowed, and
    /// those between are mixed.
    private IntToDoubleFunction yarn(double base, int turning) throws ModelFileException {
        var factor = slowdown();
        var original = originalLength();
        var fast = keys.positive("rope.scaling.yarn_beta_fast", DEFAULT_FAST);
        var slow = keys.positive("rope.scaling.yarn_beta_slow", DEFAULT_SLOW);
        var whole = keys.flag("rope.scaling.yarn_truncate", truncated);
        var first = pairThatTurns(fast, base, turning, original);
        var last = pairThatTurns(slow, base, turning, original);
        var low = Math.max(whole ? Math.floor(first) : first, 0);
        var high = Math.min(whole ? Math.ceil(last) : last, turning - 1.0);
        var width = Math.max(high - low, 0.001);
        return i -> {
            var slowed = Math.clamp((i - low) / width, 0, 1);
            return 1 / (slowed / factor + 1 - slowed);
        };
    }

    /// The pair, as a fraction, that makes so many turns in the original context.
    private static double pairThatTurns(double turns, double base, int turning, int original) {
        return turning * Math.log(original / (turns * 2 * Math.PI)) / (2 * Math.log(base));
    }

    /// How much YaRN strengthens queries and keys.
    private double yarnStrength() throws ModelFileException {
        if (keys.has("rope.scaling.strength")) {
            return keys.positive("rope.scaling.strength", 1);
        }
        var factor = slowdown();
        var all = keys.notNegative("rope.scaling.yarn_log_multiplier", 0);
        return strength() * strength(factor, 1) / (all == 0 ? 1 : strength(factor, all));
    }

    static double strength(double factor, double multiplier) {
        return factor <= 1 ? 1 : 0.1 * multiplier * Math.log(factor) + 1;
    }

    /// The context before it was extended.
    int originalLength() throws ModelFileException {
        return keys.size("rope.scaling.original_context_length", Integer.MAX_VALUE, trainedLength);
    }

    /// By how much each pair turns slower, as in Llama 3.
    private IntToDoubleFunction factors(int pairs) throws ModelFileException {
        return keys.hasTensor(TensorCheck.ROPE_FACTORS) ? factors(TensorCheck.ROPE_FACTORS, pairs) : _ -> 1;
    }

    private IntToDoubleFunction factors(String name, int pairs) throws ModelFileException {
        var factors = model.tensor(name);
        TensorCheck.shape(factors, pairs);
        var values = new double[pairs];
        for (var i = 0; i < pairs; i++) {
            values[i] = factor(factors, i);
        }
        return i -> values[i];
    }

    private static double factor(Tensor factors, int i) throws ModelFileException {
        var factor = TensorCheck.element(factors, i);
        if (!(factor > 0)) {
            throw factors.problem("has " + factor + " at " + i + "; it must be above 0");
        }
        return factor;
    }
}
