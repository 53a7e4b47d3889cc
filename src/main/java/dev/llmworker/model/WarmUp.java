package dev.llmworker.model;

import dev.llmworker.sampling.SamplingParameters;
import java.util.List;

/// First calls of a decoder: libtorch sets up much of itself when it is first used. On a CPU small ones, and in slot 0
/// alone, for a slot's part of the cache takes memory from its first token on; what a larger call would still set up
/// takes less time than the call.
record WarmUp(TorchDecoder decoder) {
    private static final int PROMPT_TOKENS = 8;
    /// As the scheduler cuts prompts.
    private static final int[] CHUNKS = {128, 64, 32, 16, 1};
    /// Beyond, kernels for products change with some rows more, not with each.
    private static final int EACH_ROWS = 32;
    private static final int ROWS_STEP = 8;

    void run() {
        var description = decoder.description();
        var prompt = new int[Math.min(PROMPT_TOKENS, description.contextLength() - 1)];
        var sampling = new SamplingParameters(1, 40, 0.9f, 0.05f, 0);
        decoder.prefillLast(0, prompt, 0, sampling);
        var batch = new DecodeBatch(1);
        batch.add(0, prompt.length, sampling);
        decoder.decode(batch, 1);
        if (!description.device().equals("cpu")) {
            kernels();
        }
    }

    /// A GPU's kernels are loaded when they are first launched, milliseconds each, and the number of rows decides which
    /// ones a product takes.
    ///
    /// @return how many calls that were
    int kernels() {
        var description = decoder.description();
        var calls = 0;
        for (var tokens : CHUNKS) {
            if (2 * tokens < description.contextLength()) {
                decoder.prefillLast(0, new int[tokens], 0, SamplingParameters.greedy());
                decoder.prefill(0, new int[tokens], tokens);
                calls += 2;
            }
        }
        for (var rows = 1; rows <= description.slots(); rows += rows < EACH_ROWS ? 1 : ROWS_STEP) {
            decoder.decode(batch(rows, SamplingParameters.greedy()), 1);
            decoder.decode(batch(rows, new SamplingParameters(1, 0, 0.9f, 0, 0)), 1);
            calls += 2;
            var beside = new PromptPart(rows, new int[16], 0);
            if (!decoder.deterministic() && rows < description.slots() && description.contextLength() > 16) {
                decoder.decodeBeside(batch(rows, SamplingParameters.greedy()), List.of(beside));
                calls++;
            }
        }
        return calls;
    }

    private static DecodeBatch batch(int rows, SamplingParameters sampling) {
        var batch = new DecodeBatch(rows);
        for (var row = 0; row < rows; row++) {
            batch.add(0, 1, sampling);
        }
        return batch;
    }
}
