package dev.llmworker.model;

/// Gated DeltaNet (Yang and others 2024). Each head of values has a matrix that all earlier tokens are written
/// into:
///
/// 1. Queries, keys and values go through a convolution over the last tokens and SiLU; queries and keys then
/// get the length 1.
/// 2. The matrix fades by `exp(decay * softplus(a + decay bias))`.
/// 3. What the key reads from it is replaced by the value, in part: as far as `sigmoid(b)`.
/// 4. The query reads the result, which gets an RMS norm and is multiplied with SiLU of a gate.
///
/// @param keyHeads heads of queries and of keys
/// @param valueHeads a multiple of `keyHeads`
/// @param keyDim values of a head of queries or keys
/// @param valueDim values of a head of values
/// @param kernel tokens that the convolution sees, the newest included
/// @param tiled whether value head `i` belongs to key head `i % keyHeads` in the file; otherwise neighbours share one
public record DeltaNet(int keyHeads, int valueHeads, int keyDim, int valueDim, int kernel, boolean tiled)
        implements Mixer {
    /// Values of all queries of a token, and of all keys.
    public int keyWidth() {
        return keyHeads * keyDim;
    }

    /// Values of all value heads of a token.
    public int valueWidth() {
        return valueHeads * valueDim;
    }

    /// Values that go through the convolution.
    public int channels() {
        return 2 * keyWidth() + valueWidth();
    }

    @Override
    public int resultWidth() {
        return valueWidth();
    }

    @Override
    public int inputWidth() {
        return channels() + valueWidth() + 2 * valueHeads;
    }

    @Override
    public boolean hasState() {
        return true;
    }

    @Override
    public LayerState state(long positions) {
        return new LayerState.Recurrent((long) valueWidth() * keyDim + (kernel - 1L) * channels());
    }

    @Override
    public String description() {
        return "recurrent, " + valueHeads + " heads of " + keyDim + " × " + valueDim + " (" + keyHeads + " for keys)";
    }
}
