package dev.llmworker.generation;

import dev.llmworker.model.DecodeBatch;
import dev.llmworker.model.Decoder;
import java.util.function.IntPredicate;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// Continuous batching: decides, step by step, which sequences the decoder works on.
///
/// Running sequences fill the slots from 0 without a hole; one more may be in prefill, in the slot after them. A
/// sequence that ends leaves its slot to the last one.
///
/// Threading: the engine thread alone. `close` of a sequence reaches it as a flag that each step looks at first.
final class Scheduler {
    /// Prompt tokens a step takes beside the running sequences: enough to keep the matmuls busy, and so few that a long
    /// prompt is spread over steps in which the others go on.
    static final int PREFILL_TOKENS_PER_STEP = 128;

    private final Decoder decoder;
    private final IntPredicate endOfSequence;
    private final WaitingQueue waiting;
    private final LongSupplier clock;
    private final @Nullable Sequence[] running;
    private final DecodeBatch batch;
    private int rows;
    private @Nullable Sequence prefilling;

    Scheduler(Decoder decoder, IntPredicate endOfSequence, WaitingQueue waiting, LongSupplier clock) {
        this.decoder = decoder;
        this.endOfSequence = endOfSequence;
        this.waiting = waiting;
        this.clock = clock;
        this.running = new Sequence[decoder.description().slots()];
        this.batch = new DecodeBatch(running.length);
    }

    /// Ends what is to end, takes a piece of the waiting prompts, decodes one token for each running sequence.
    ///
    /// @return whether there is more to do
    boolean step() {
        endClosedAndExpired();
        prefill();
        decode();
        return rows > 0 || prefilling != null || waiting.size() > 0;
    }

    /// Ends everything in a slot.
    void endAll(FinishReason reason) {
        for (int slot = rows - 1; slot >= 0; slot--) {
            runningAt(slot).finish(reason);
            running[slot] = null;
        }
        rows = 0;
        if (prefilling != null) {
            prefilling.finish(reason);
            prefilling = null;
        }
    }

    int running() {
        return rows + (prefilling == null ? 0 : 1);
    }

    private void endClosedAndExpired() {
        long now = clock.getAsLong();
        for (var expired : waiting.removeExpired(now)) {
            expired.finish(FinishReason.TIMEOUT);
        }
        if (prefilling != null) {
            var reason = reasonToEnd(prefilling, now);
            if (reason != null) {
                prefilling.finish(reason);
                prefilling = null;
            }
        }
        // From the last slot down: when many end together, few move.
        for (int slot = rows - 1; slot >= 0; slot--) {
            var reason = reasonToEnd(runningAt(slot), now);
            if (reason != null) {
                retire(slot, reason);
            }
        }
    }

    private static @Nullable FinishReason reasonToEnd(Sequence sequence, long nowNanos) {
        if (sequence.isClosed()) {
            return FinishReason.CANCELLED;
        }
        return sequence.isExpired(nowNanos) ? FinishReason.TIMEOUT : null;
    }

    private void prefill() {
        int budget = PREFILL_TOKENS_PER_STEP;
        while (budget > 0) {
            if (prefilling == null) {
                prefilling = rows < running.length ? waiting.poll() : null;
            }
            var sequence = prefilling;
            if (sequence == null) {
                return;
            }
            int count = Math.min(budget, sequence.promptLeft());
            budget -= count;
            int start = sequence.prefilled();
            var ids = sequence.takePrompt(count);
            if (sequence.promptLeft() > 0) {
                decoder.prefill(rows, ids, start);
            } else if (sequence.history() == null) {
                begin(sequence, decoder.prefillLast(rows, ids, start, sequence.sampling()));
            } else {
                beginByStep(sequence, ids, start);
            }
        }
    }

    /// A prompt is in the cache: its sequence runs, unless the first token ends it.
    private void begin(Sequence sequence, int token) {
        prefilling = null;
        var reason = sequence.accept(token, endOfSequence.test(token), null);
        if (reason != null) {
            sequence.finish(reason);
        } else {
            running[rows++] = sequence;
        }
    }

    /// All of a prompt but its last token is in the cache, once `ids` are: that one is the sequence's first step.
    private void beginByStep(Sequence sequence, int[] ids, int start) {
        if (ids.length > 0) {
            decoder.prefill(rows, ids, start);
        }
        prefilling = null;
        running[rows++] = sequence;
    }

    private void decode() {
        if (rows == 0) {
            return;
        }
        batch.clear();
        for (int row = 0; row < rows; row++) {
            var sequence = runningAt(row);
            batch.add(sequence.newestToken(), sequence.newestPosition(), sequence.sampling(), sequence.history());
        }
        var tokens = decoder.decode(batch, 1);
        for (int slot = rows - 1; slot >= 0; slot--) {
            int token = tokens[slot];
            var reason = runningAt(slot).accept(token, endOfSequence.test(token), batch.logprobs(0, slot));
            if (reason != null) {
                retire(slot, reason);
            }
        }
    }

    private void retire(int slot, FinishReason reason) {
        var ended = runningAt(slot);
        int last = --rows;
        if (slot != last) {
            var moved = runningAt(last);
            decoder.copySlot(last, slot, moved.newestPosition());
            running[slot] = moved;
        }
        running[last] = null;
        if (prefilling != null && prefilling.prefilled() > 0) {
            decoder.copySlot(last + 1, last, prefilling.prefilled());
        }
        ended.finish(reason);
    }

    private Sequence runningAt(int slot) {
        var sequence = running[slot];
        if (sequence == null) {
            throw new IllegalStateException("slot " + slot + " of " + rows + " running has no sequence");
        }
        return sequence;
    }
}
