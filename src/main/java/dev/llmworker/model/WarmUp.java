package dev.llmworker.model;

import dev.llmworker.sampling.SamplingParameters;

/// First calls of a decoder: libtorch sets up much of itself when it is first used. Small ones, and in slot 0 alone,
/// for
/// a slot's part of the cache takes memory from its first token on; what a larger call would still set up takes less
/// time
/// than the call.
record WarmUp(TorchDecoder decoder) {
    private static final int PROMPT_TOKENS = 8;

    void run() {
        var description = decoder.description();
        var prompt = new int[Math.min(PROMPT_TOKENS, description.contextLength() - 1)];
        var sampling = new SamplingParameters(1, 40, 0.9f, 0.05f, 0);
        decoder.prefillLast(0, prompt, 0, sampling);
        var batch = new DecodeBatch(1);
        batch.add(0, prompt.length, sampling);
        decoder.decode(batch, 1);
    }
}
