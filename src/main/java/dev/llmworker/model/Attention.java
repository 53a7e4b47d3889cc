package dev.llmworker.model;

import org.jspecify.annotations.Nullable;

/// How a layer attends to earlier tokens.
///
/// @param heads of queries; a multiple of `kvHeads`
/// @param headDim values of a head of queries, keys or values
/// @param window how many positions a token sees, itself included; 0 is all of them. On each side if `bidirectional`
/// @param rope null if the layer does not know positions
/// @param scale factor of the scores
/// @param cap scores are bounded by `cap * tanh(score / cap)`; 0 is no bound
/// @param growth by how much queries grow with their position; null is not at all
/// @param norm of queries and keys, before the rotary positions
/// @param biased whether queries, keys and values have a bias
/// @param outputBiased whether the result has one
/// @param sinks whether each head has a score beside those of the positions, which takes weight and adds nothing
/// @param gated whether the result is multiplied with the sigmoid of a gate, which is made beside the queries
/// @param valuesNormed whether values have a norm too, without weights
/// @param valuesAreKeys whether values are the keys as they are before norm and rotary positions
/// @param bidirectional whether a token also sees those after it
/// @param keysOf the earlier layer whose keys and values it reads; -1 if it has its own
public record Attention(
        int heads,
        int kvHeads,
        int headDim,
        int window,
        @Nullable Rope rope,
        double scale,
        double cap,
        @Nullable Growth growth,
        HeadNorm norm,
        boolean biased,
        boolean outputBiased,
        boolean sinks,
        boolean gated,
        boolean valuesNormed,
        boolean valuesAreKeys,
        boolean bidirectional,
        int keysOf)
        implements Mixer {
    /// What [#keysOf] is if the layer has keys and values of its own.
    public static final int OWN_KEYS = -1;
    /// RMS norms of queries and keys: none, one of each head, or one of all heads together.
    public enum HeadNorm {
        NONE,
        EACH,
        WHOLE
    }

    /// The queries at position `p` are multiplied by `1 + beta * ln(1 + floor(p / length))`.
    public record Growth(double beta, int length) {}

    /// Values of all query heads of a token.
    public int queryWidth() {
        return heads * headDim;
    }

    Attention with(Rope other) {
        return new Attention(
                heads,
                kvHeads,
                headDim,
                window,
                other,
                scale,
                cap,
                growth,
                norm,
                biased,
                outputBiased,
                sinks,
                gated,
                valuesNormed,
                valuesAreKeys,
                bidirectional,
                keysOf);
    }

    public boolean hasKeys() {
        return keysOf == OWN_KEYS;
    }

    /// Values of all key heads of a token, and of all value heads.
    public int keyWidth() {
        return kvHeads * headDim;
    }

    @Override
    public int resultWidth() {
        return queryWidth();
    }

    @Override
    public int inputWidth() {
        return (gated ? 2 : 1) * queryWidth() + (hasKeys() ? 2 * keyWidth() : 0);
    }

    @Override
    public boolean hasState() {
        return hasKeys();
    }

    @Override
    public LayerState state(long positions) {
        var ring = new LayerState.Ring(kvHeads, headDim, window);
        return window > 0 && !bidirectional && ring.pays(positions) ? ring : new LayerState.Full(kvHeads, headDim);
    }

    @Override
    public String description() {
        return heads + " heads of " + headDim + " (" + kvHeads + " for keys and values"
                + (hasKeys() ? ")" : " of an earlier layer)")
                + (window == 0 ? "" : ", a window of " + window)
                + (rope == null ? ", no positions" : "")
                + (gated ? ", an output gate" : "")
                + (bidirectional ? ", in both directions" : "");
    }
}
