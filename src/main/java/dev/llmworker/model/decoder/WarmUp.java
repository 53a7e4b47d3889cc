package dev.llmworker.model.decoder;

import dev.llmworker.sampling.LogitAdjustment;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.sampling.TokenHistory;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

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

    /// A GPU's kernels are loaded when they are first launched, milliseconds each, and the number of rows decides
    /// which ones a product takes.
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
        return calls + rarer();
    }

    /// What only some requests ask for: draws without a filter, several steps a call, penalties and log-probabilities,
    /// slots that are copied and exchanged. Two tokens of each slot's context are room enough.
    private int rarer() {
        var description = decoder.description();
        var rows = Math.min(2, description.slots());
        var steps = description.contextLength() > 2 ? 2 : 1;
        decoder.decode(batch(rows, new SamplingParameters(1, 0, 1, 0, 0)), steps);
        var adjustment = new LogitAdjustment(1.1f, 0.1f, 0.1f, Map.of(0, 1f));
        var calls = 1;
        for (var temperature : new float[] {0, 1}) {
            var steered = new DecodeBatch(rows);
            for (var row = 0; row < rows; row++) {
                var sampling = new SamplingParameters(temperature, 0, 0.9f, 0, 0, adjustment, OptionalInt.of(1));
                steered.add(0, 1, sampling, new TokenHistory(new int[] {0}, steps, new int[] {0}));
            }
            decoder.decode(steered, steps);
            calls++;
        }
        if (rows > 1) {
            decoder.copySlot(0, 1, 1);
            decoder.swapSlots(0, 1, 1);
            calls += 2;
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
