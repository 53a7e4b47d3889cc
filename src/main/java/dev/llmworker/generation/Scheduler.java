package dev.llmworker.generation;

import dev.llmworker.model.DecodeBatch;
import dev.llmworker.model.Decoder;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntPredicate;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// Continuous batching: decides, step by step, which sequences the decoder works on.
///
/// Running sequences fill the slots from 0 without a hole; those in prefill are in slots after them, and the rest hold
/// what ended sequences left for prompts that begin alike. A sequence that ends leaves its slot to the last one.
///
/// Threading: the engine thread alone. `close` of a sequence reaches it as a flag that each step looks at first.
final class Scheduler {
    /// A prompt is cut at multiples of this while nothing runs, and always where the decoder is deterministic.
    static final int GRID_TOKENS = 128;
    /// Prompt tokens a step takes while nothing runs.
    static final int QUIET_TOKENS = 128;
    /// While more prompts of at most this many tokens wait than sequences run, they go first: most would wait longer
    /// for their first token than others for their next.
    static final int SHORT_PROMPT_TOKENS = 64;

    private final Decoder decoder;
    private final IntPredicate endOfSequence;
    private final WaitingQueue waiting;
    private final LongSupplier clock;
    private final SlotContents slots;
    private final DecodeBatch batch;
    private final PrefillPace pace = new PrefillPace();
    private final int slotCount;
    /// In the order of their arrival; each has a slot from its first chunk on.
    private final List<Sequence> prefilling = new ArrayList<>();
    private int rows;
    private boolean shortestNext;

    Scheduler(Decoder decoder, IntPredicate endOfSequence, WaitingQueue waiting, LongSupplier clock) {
        this.decoder = decoder;
        this.endOfSequence = endOfSequence;
        this.waiting = waiting;
        this.clock = clock;
        this.slotCount = decoder.description().slots();
        this.slots = new SlotContents(decoder, GRID_TOKENS);
        this.batch = new DecodeBatch(slotCount);
    }

    /// Ends what is to end, takes a piece of the waiting prompts, decodes one token for each running sequence.
    ///
    /// @return whether there is more to do
    boolean step() {
        endClosedAndExpired();
        admit();
        prefill();
        decode();
        return rows > 0 || !prefilling.isEmpty() || waiting.size() > 0;
    }

    /// Ends everything that has been admitted.
    void endAll(FinishReason reason) {
        for (int slot = rows - 1; slot >= 0; slot--) {
            runningAt(slot).finish(reason);
            slots.release(slot);
        }
        rows = 0;
        for (var sequence : prefilling) {
            leave(sequence, reason);
        }
        prefilling.clear();
    }

    int running() {
        return rows + prefilling.size();
    }

    private void endClosedAndExpired() {
        long now = clock.getAsLong();
        for (var expired : waiting.removeExpired(now)) {
            expired.finish(FinishReason.TIMEOUT);
        }
        prefilling.removeIf(sequence -> {
            var reason = reasonToEnd(sequence, now);
            if (reason != null) {
                leave(sequence, reason);
            }
            return reason != null;
        });
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

    private void admit() {
        while (running() < slotCount) {
            var sequence = waiting.poll();
            if (sequence == null) {
                return;
            }
            prefilling.add(sequence);
        }
    }

    private void prefill() {
        int budget = prefillBudget();
        while (!prefilling.isEmpty()) {
            var sequence = nextToPrefill();
            if (slots.slotOf(sequence) < 0) {
                boolean quiet = rows == 0 && prefilling.size() == 1;
                slots.place(sequence, rows, quiet || decoder.deterministic());
                if (quiet) {
                    slots.exchange(slots.slotOf(sequence), 0);
                }
            }
            int count = Math.min(budget, sequence.promptLeft());
            if (rows == 0 || decoder.deterministic()) {
                count = Math.min(GRID_TOKENS - sequence.prefilled() % GRID_TOKENS, sequence.promptLeft());
            }
            prefill(sequence, count);
            budget -= count;
            if (budget < PrefillPace.LEAST_TOKENS) {
                return;
            }
        }
    }

    private int prefillBudget() {
        long shortPrompts = prefilling.stream()
                .filter(sequence -> sequence.promptLeft() <= SHORT_PROMPT_TOKENS)
                .count();
        return rows == 0 || shortPrompts > rows ? QUIET_TOKENS : pace.tokens();
    }

    /// The oldest prompt and the one with the fewest tokens left by turns: many short ones do not wait for a long one,
    /// and a long one gets half of the chunks at least once it is the oldest.
    private Sequence nextToPrefill() {
        shortestNext = !shortestNext;
        var next = prefilling.getFirst();
        if (!shortestNext) {
            return next;
        }
        for (var sequence : prefilling) {
            if (sequence.promptLeft() < next.promptLeft()) {
                next = sequence;
            }
        }
        return next;
    }

    private void prefill(Sequence sequence, int count) {
        int slot = slots.slotOf(sequence);
        int start = sequence.prefilled();
        var ids = sequence.takePrompt(count, GRID_TOKENS);
        long begun = clock.getAsLong();
        if (sequence.promptLeft() > 0) {
            decoder.prefill(slot, ids, start);
            pace.chunkTook(count, clock.getAsLong() - begun);
        } else {
            int token = decoder.prefillLast(slot, ids, start, sequence.sampling());
            pace.chunkTook(count, clock.getAsLong() - begun);
            begin(sequence, slot, token);
        }
    }

    /// A prompt is in the cache: its sequence runs, unless the first token ends it.
    private void begin(Sequence sequence, int slot, int token) {
        prefilling.remove(sequence);
        var reason = sequence.accept(token, endOfSequence.test(token));
        if (reason != null) {
            leave(sequence, reason);
            return;
        }
        if (slot != rows) {
            slots.exchange(slot, rows);
        }
        rows++;
    }

    private void decode() {
        if (rows == 0) {
            return;
        }
        batch.clear();
        for (int row = 0; row < rows; row++) {
            var sequence = runningAt(row);
            batch.add(sequence.newestToken(), sequence.newestPosition(), sequence.sampling());
        }
        long begun = clock.getAsLong();
        var tokens = decoder.decode(batch, 1);
        pace.stepTook(clock.getAsLong() - begun);
        for (int slot = rows - 1; slot >= 0; slot--) {
            int token = tokens[slot];
            var reason = runningAt(slot).accept(token, endOfSequence.test(token));
            if (reason != null) {
                retire(slot, reason);
            }
        }
    }

    private void retire(int slot, FinishReason reason) {
        var ended = runningAt(slot);
        slots.release(slot);
        rows--;
        if (slot != rows) {
            slots.exchange(slot, rows);
        }
        ended.finish(reason);
    }

    /// Ends a sequence that does not run.
    private void leave(Sequence sequence, FinishReason reason) {
        int slot = slots.slotOf(sequence);
        if (slot >= 0) {
            slots.release(slot);
        }
        sequence.finish(reason);
    }

    private Sequence runningAt(int slot) {
        var sequence = slots.owner(slot);
        if (sequence == null) {
            throw new IllegalStateException("slot " + slot + " of " + rows + " running has no sequence");
        }
        return sequence;
    }
}
