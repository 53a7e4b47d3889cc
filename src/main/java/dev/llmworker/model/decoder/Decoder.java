package dev.llmworker.model.decoder;

import dev.llmworker.model.DecoderDescription;
import dev.llmworker.sampling.SamplingParameters;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A decoder-only language model on its device, with a KV cache of `description().slots()` sequences of up to
/// `description().contextLength()` tokens each.
///
/// Threading: one thread makes all calls, the one that loaded it included.
public interface Decoder extends AutoCloseable {
    DecoderDescription description();

    /// Runs a part of a prompt through the model: `ids` become positions `start` to `start + ids.length - 1` of the
    /// sequence in `slot`. Positions before `start` must be in the cache already. A prompt that runs alone
    /// comes with slot 0, so that the decoder can treat it the same way each time.
    void prefill(int slot, int[] ids, int start);

    /// As [#prefill(int, int[], int)] for a prompt's last part, and samples the token that follows it, or gives
    /// [#NO_TOKEN].
    ///
    /// @throws OutOfMemoryException as [#decode]
    int prefillLast(int slot, int[] ids, int start, SamplingParameters sampling);

    /// Decodes `steps` tokens for each row of `batch`; each sampled token is the next step's input. The batch
    /// receives the log-probabilities that rows ask for.
    ///
    /// @return the token ids by step, then by row: element `step * rows + row`; [#NO_TOKEN] if a row's logits
    ///     are not finite
    /// @throws OutOfMemoryException if the device has too little memory for the call. Others may then succeed after
    ///     [#recover]
    int[] decode(DecodeBatch batch, int steps);

    /// One step of [#decode], and in the same pass parts of prompts of other slots. This is cheaper than a call for
    /// each, because the weights are read once. Not for a decoder that is [#deterministic()].
    int[] decodeBeside(DecodeBatch batch, List<PromptPart> parts);

    /// How many draft tokens a step can take, of all sequences together: [DecodeBatch#addDraft]. Each row's result is
    /// then the same as in a step of its own, to the bit. What the cache holds of a draft that was wrong is
    /// overwritten later. The caller decides which drafts are right, and says so by [#cut].
    default int mostDrafts() {
        return 0;
    }

    /// A slot's sequence has only the first `length` positions, because it did not take all drafts of the last step.
    default void cut(int slot, int length) {}

    /// A token of a row whose logits are not finite. Its sequence cannot go on.
    int NO_TOKEN = -2;

    /// The room of sequences in its cache. Calls make room themselves, and fail if there is none, so that a caller who
    /// shares
    /// the cache between many sequences asks first.
    default CacheRoom room() {
        return CacheRoom.OWN_SHARE;
    }

    /// How many tokens of prompts it takes at once. The scheduler cuts prompts by it.
    default PromptSizes prompts() {
        return PromptSizes.OF_CPU;
    }

    /// Whether a step that failed because memory ran out can be taken again by the same sequences.
    default boolean canRepeatSteps() {
        return true;
    }

    /// Called after a call that failed because memory ran out. The decoder frees what it can, and forgets the call.
    default void recover() {}

    /// Clears the first `length` cached positions of a slot, which are not finite. Without this they would spoil the
    /// results of other sequences.
    default void clearSlot(int slot, int length) {}

    /// Whether some layers cannot go on from any earlier position of a slot. [#reusable] says from which ones,
    /// and [#keep] adds one.
    default boolean needsKept() {
        return false;
    }

    /// The longest prefix of at most `length` cached positions of a slot from which another sequence can go on.
    default int reusable(int slot, int length) {
        return length;
    }

    /// Makes the slot's present position [#reusable]. The decoder keeps few such positions of a slot.
    default void keep(int slot) {}

    /// Copies the first `length` cached positions of slot `from` to slot `to`, which may be the same: the
    /// sequence there then goes on from `length`, which must be [#reusable].
    void copySlot(int from, int to, int length);

    /// Moves all cached positions, `length`, of slot `from` to slot `to`. Those in `to` are lost.
    default void moveSlot(int from, int to, int length) {
        copySlot(from, to, length);
    }

    /// Exchanges two slots, of which the longer one has `length` positions.
    void swapSlots(int a, int b, int length);

    /// Copies of slots in main memory; null if the decoder makes none.
    default @Nullable SlotCopies copies() {
        return null;
    }

    /// Whether the same prompt fills the cache with the same numbers however it is cut, and whatever runs
    /// beside it.
    default boolean rowsAreIndependent() {
        return false;
    }

    /// Whether a sequence's tokens never depend on what else is decoded, provided that a prompt is always cut at the
    /// same positions. The same calls then fill its cache. A decoder that needs no such cuts returns false.
    boolean deterministic();

    /// Called when the worker has been idle for a while. The decoder may free memory that it can take again. The
    /// slots keep their contents.
    default void rest() {}

    @Override
    void close();
}
