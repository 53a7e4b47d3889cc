package dev.llmworker.model.decoder;

import dev.llmworker.sampling.LogitAdjustment;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.sampling.TokenHistory;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.stream.IntStream;

/// The first calls of a decoder, because libtorch sets up much of itself when it is first used. On a CPU they are
/// small, and in slot 0 only: a slot's part of the cache takes memory from its first token on. Larger calls would
/// set up more, but take longer than that saves.
record WarmUp(TorchDecoder decoder) {
    private static final int PROMPT_TOKENS = 8;
    /// Tokens of a prompt beside rows, and the least that a call of its own has.
    private static final int[] CHUNKS = {128, 64, 32, 16, 1};
    /// With more rows than this, the kernels for products no longer change with each row.
    private static final int EACH_ROWS = 32;
    private static final int ROWS_STEP = 8;
    private static final int LONG_POSITION = 2048;

    void run() {
        var description = decoder.description();
        var prompt = new int[Math.min(PROMPT_TOKENS, description.contextLength() - 1)];
        if (decoder.isBidirectional()) {
            // It cannot generate.
            decoder.encode(List.of(new PromptPart(0, prompt, 0)), true);
            return;
        }
        var sampling = new SamplingParameters(1, 40, 0.9f, 0.05f, 0);
        decoder.prefillLast(0, prompt, 0, sampling);
        var batch = new DecodeBatch(1);
        batch.add(0, prompt.length, sampling);
        decoder.decode(batch, 1);
        if (!description.device().equals("cpu")) {
            kernels();
        }
        releaseAll();
    }

    private void releaseAll() {
        for (var slot = 0; slot < decoder.description().slots(); slot++) {
            decoder.room().cut(slot, 0);
        }
    }

    /// How many slots have room for some tokens at once.
    private int slots(int tokens) {
        releaseAll();
        var slots = 0;
        while (slots < decoder.description().slots() && decoder.room().reserve(slots, 0, tokens)) {
            slots++;
        }
        releaseAll();
        return slots;
    }

    /// Loads a GPU's kernels. Each is loaded when it is first launched, which takes milliseconds. The number of rows
    /// decides which kernels a product takes.
    ///
    /// @return the number of calls
    int kernels() {
        var description = decoder.description();
        var calls = 0;
        for (var tokens : chunks()) {
            if (tokens < description.contextLength()) {
                decoder.prefillLast(0, new int[tokens], 0, SamplingParameters.greedy());
                calls++;
            }
            if (2 * tokens <= description.contextLength()) {
                decoder.prefill(0, new int[tokens], tokens);
                calls++;
            }
        }
        var slots = slots(16);
        for (var rows = 1; rows <= slots; rows += rows < EACH_ROWS ? 1 : ROWS_STEP) {
            decoder.decode(batch(rows, SamplingParameters.greedy()), 1);
            decoder.decode(batch(rows, new SamplingParameters(1, 0, 0.9f, 0, 0)), 1);
            calls += 2;
            var beside = new PromptPart(rows, new int[16], 0);
            if (!decoder.deterministic() && rows < slots && description.contextLength() > 16) {
                decoder.decodeBeside(batch(rows, SamplingParameters.greedy()), List.of(beside));
                calls++;
            }
        }
        return calls + besides() + longer() + rarer();
    }

    /// As the scheduler cuts prompts, the longest first.
    private List<Integer> chunks() {
        var sizes = decoder.prompts();
        return IntStream.concat(IntStream.of(sizes.alone(), sizes.beside()), IntStream.of(CHUNKS))
                .distinct()
                .boxed()
                .toList();
    }

    /// Longer parts of prompts beside one row and beside most of them, alone and several together.
    private int besides() {
        var description = decoder.description();
        var calls = 0;
        for (var tokens : chunks()) {
            if (decoder.deterministic()
                    || tokens <= 16
                    || tokens > decoder.prompts().beside()) {
                continue;
            }
            for (var rows : new int[] {1, slots(1) - 1}) {
                releaseAll();
                // The slot of the prompt first: it needs most.
                var fits = rows > 0 && rows < description.slots() && tokens < description.contextLength();
                if (fits && decoder.room().reserve(rows, 0, tokens) && reserved(rows, 0)) {
                    var part = new PromptPart(rows, new int[tokens], 0);
                    decoder.decodeBeside(batch(rows, SamplingParameters.greedy()), List.of(part));
                    calls++;
                }
            }
        }
        return calls;
    }

    /// Whether this number of rows has room at a position.
    private boolean reserved(int rows, int position) {
        for (var row = 0; row < rows; row++) {
            if (!decoder.room().reserve(row, position, position + 1)) {
                return false;
            }
        }
        return true;
    }

    /// Attention takes other kernels for long sequences. All rows have the positions before in common.
    private int longer() {
        var description = decoder.description();
        var calls = 0;
        for (var position : new int[] {LONG_POSITION, description.contextLength() - 1}) {
            for (var rows : new int[] {1, description.slots()}) {
                releaseAll();
                if (position >= description.contextLength() || decoder.needsKept()) {
                    continue;
                }
                var fits = decoder.room().reserve(0, 0, position + 1);
                for (var row = 1; fits && row < rows; row++) {
                    decoder.copySlot(0, row, position);
                }
                if (fits && reserved(rows, position)) {
                    var batch = new DecodeBatch(rows);
                    for (var row = 0; row < rows; row++) {
                        batch.add(0, position, SamplingParameters.greedy());
                    }
                    decoder.decode(batch, 1);
                    calls++;
                }
            }
        }
        releaseAll();
        return calls;
    }

    /// Features that only some requests use: draws without a filter, several steps a call, penalties and
    /// log-probabilities, and slots that are copied and exchanged. They need two tokens of each slot's context.
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
                steered.add(0, 0, sampling, new TokenHistory(new int[] {0}, steps, new int[] {0}));
            }
            decoder.decode(steered, steps);
            calls++;
        }
        if (rows > 1) {
            decoder.copySlot(0, 1, steps);
            decoder.swapSlots(0, 1, steps);
            calls += 2;
        }
        return calls;
    }

    private static DecodeBatch batch(int rows, SamplingParameters sampling) {
        var batch = new DecodeBatch(rows);
        for (var row = 0; row < rows; row++) {
            batch.add(0, 0, sampling);
        }
        return batch;
    }
}
