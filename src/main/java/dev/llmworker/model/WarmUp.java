package dev.llmworker.model;

import dev.llmworker.sampling.SamplingParameters;
import java.util.Arrays;

/// First calls of a decoder, in the sizes of real ones: libtorch and oneDNN choose and set up kernels for a size when
/// they first see it.
record WarmUp(TorchDecoder decoder) {
    private static final int PROMPT_TOKENS = 64;
    /// Enough for the weights that are for many rows.
    static final int ROWS = 8;
    /// Of the cache that it needs.
    static final int POSITIONS = 2 * PROMPT_TOKENS;

    void run() {
        var description = decoder.description();
        var length = Math.min(PROMPT_TOKENS, description.contextLength() - 1);
        var prompt = new int[length];
        var sampling = new SamplingParameters(1, 40, 0.9f, 0.05f, 0);
        decoder.prefillLast(0, prompt, 0, sampling);
        decoder.prefillLast(0, Arrays.copyOf(prompt, Math.min(8, length)), 0, sampling);
        for (var rows : new int[] {1, ROWS}) {
            var batch = new DecodeBatch(description.slots());
            for (var row = 0; row < rows; row++) {
                batch.add(0, 0, sampling);
            }
            decoder.decode(batch, 1);
        }
    }
}
