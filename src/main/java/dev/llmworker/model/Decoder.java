package dev.llmworker.model;

import dev.llmworker.sampling.SamplingParameters;
import java.util.List;

/// A decoder-only language model on its device, with a KV cache of `description().slots()` sequences of up to
/// `description().contextLength()` tokens each.
///
/// Threading: one thread makes all calls, the one that loaded it included.
public interface Decoder extends AutoCloseable {
    DecoderDescription description();

    /// Runs a part of a prompt through the model: `ids` become positions `start` to `start + ids.length - 1` of the
    /// sequence in `slot`. Positions before `start` must be in the cache already. A prompt that nothing else is
    /// decoded beside comes with slot 0, so that it can be treated alike each time.
    void prefill(int slot, int[] ids, int start);

    /// As [#prefill(int, int[], int)] for a prompt's last part, and samples the token that follows it.
    int prefillLast(int slot, int[] ids, int start, SamplingParameters sampling);

    /// Decodes `steps` tokens for each row of `batch`; each sampled token is the next step's input. Log-probabilities
    /// that rows ask for are left in the batch.
    ///
    /// @return the token ids by step, then by row: element `step * rows + row`
    int[] decode(DecodeBatch batch, int steps);

    /// One step of [#decode], and in the same pass parts of prompts of other slots: cheaper than a call for each, for
    /// the weights are read once. Not for a decoder that is [#deterministic()].
    int[] decodeBeside(DecodeBatch batch, List<PromptPart> parts);

    /// The fewest tokens of a prompt for which a step is worth taking: a few of them hardly take less time where all
    /// rows
    /// share what reading the weights takes.
    default int leastPromptTokens() {
        return 16;
    }

    /// Copies the first `length` cached positions of slot `from` to slot `to`.
    void copySlot(int from, int to, int length);

    /// As [#copySlot]; what lies in `from`, and behind `length` in `to`, is lost.
    default void moveSlot(int from, int to, int length) {
        copySlot(from, to, length);
    }

    /// Exchanges the first `length` positions of two slots.
    void swapSlots(int a, int b, int length);

    /// Whether a sequence's tokens never depend on what else is decoded. It takes that a prompt is always cut at the
    /// same positions: the same calls then fill its cache.
    boolean deterministic();

    /// Nothing has been asked of it for a while: it may let go of memory that it can make or take again. What the slots
    /// hold stays.
    default void rest() {}

    @Override
    void close();
}
