package dev.llmworker.engine;

import dev.llmworker.engine.stored.PrefixFolder;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.model.decoder.DecodeBatch;
import dev.llmworker.model.decoder.Decoder;
import dev.llmworker.model.decoder.OutOfMemoryException;
import dev.llmworker.model.decoder.PromptSizes;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.stats.Count;
import dev.llmworker.stats.EngineStats;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.function.BooleanSupplier;
import java.util.function.IntPredicate;
import java.util.function.LongSupplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Continuous batching: decides for each step which sequences the decoder works on.
///
/// Running sequences occupy the first slots without gaps. Sequences in prefill have slots after them. The other
/// slots keep the prefixes of ended sequences for later prompts. When a sequence ends, the last running one moves
/// into its slot.
///
/// Threading: the engine thread alone. `close` of a sequence sets a flag, which each step checks first.
final class Scheduler {
    private static final Logger LOG = LoggerFactory.getLogger(Scheduler.class);
    /// How long cached prefixes are copied between two looks at what else is to be done, while nothing runs.
    private static final long COPY_NANOS = 10_000_000;
    /// A sequence with more tokens is read by somebody, who would notice a longer step.
    private static final int YOUNG_TOKENS = 16;

    private final Decoder decoder;
    private final PromptSizes sizes;
    private final IntPredicate endOfSequence;
    private final WaitingQueue waiting;
    private final LongSupplier clock;
    private final EngineStats stats;
    private final Executor maskThreads;
    private final @Nullable EvictedPrefixes evicted;
    private final PrefixCache slots;
    private final DecodeBatch batch;
    private final PrefillBudget pace;
    private final Speculation speculation;
    private final int slotCount;
    /// Each of these has a slot from its first part on.
    private final PrefillQueue prefilling = new PrefillQueue();
    private int rows;
    private long stepNanos;
    /// How many sequences were taken from the queue.
    private long taken;
    /// The oldest sequence for which the cache has no room, and how much was free then. Newer ones wait for it.
    private @Nullable Sequence blocked;

    private int freeWhenBlocked;

    /// A scheduler that tries draft tokens.
    Scheduler(
            Decoder decoder,
            IntPredicate endOfSequence,
            WaitingQueue waiting,
            LongSupplier clock,
            EngineStats stats,
            Executor maskThreads) {
        this(decoder, endOfSequence, waiting, clock, stats, maskThreads, true, null);
    }

    /// @param maskThreads compute which tokens a format allows
    /// @param speculates whether draft tokens are tried
    /// @param folder has cached prefixes of an earlier process; null if this one does not write any
    Scheduler(
            Decoder decoder,
            IntPredicate endOfSequence,
            WaitingQueue waiting,
            LongSupplier clock,
            EngineStats stats,
            Executor maskThreads,
            boolean speculates,
            @Nullable PrefixFolder folder) {
        this.decoder = decoder;
        this.endOfSequence = endOfSequence;
        this.waiting = waiting;
        this.clock = clock;
        this.stats = stats;
        this.maskThreads = maskThreads;
        this.sizes = decoder.prompts();
        this.pace = new PrefillBudget(sizes);
        this.slotCount = decoder.description().slots();
        var copies = decoder.copies();
        this.evicted = copies == null ? null : new EvictedPrefixes(copies, sizes, clock, stats);
        if (evicted != null && folder != null) {
            var description = decoder.description();
            evicted.storeIn(folder, description.vocabularySize(), description.contextLength());
        } else if (folder != null) {
            LOG.warn("PREFIX_CACHE_DIR has no effect, because evicted prefixes are not copied to main memory here");
        }
        this.slots = new PrefixCache(decoder, endOfSequence, evicted);
        int mostDrafts = speculates ? decoder.mostDrafts() : 0;
        this.speculation = new Speculation(mostDrafts, decoder.description().contextLength());
        this.batch = new DecodeBatch(slotCount, mostDrafts);
        countFreeSlots();
    }

    /// Ends finished sequences, prefills a part of the waiting prompts, and decodes one token for each running
    /// sequence.
    ///
    /// @return whether there is more to do
    boolean step() {
        endClosedAndExpired();
        makeRoom();
        admit();
        copyPrefixes();
        if (rows == 0 || decoder.deterministic()) {
            prefill();
            if (rows > 0) {
                decode(List.of());
            }
        } else {
            decode(prefilling.share(promptTokens(), sizes.parts(), this::place));
        }
        stats.recordHeld(running(), slots.ownedPositions());
        countFreeSlots();
        return rows > 0 || !prefilling.isEmpty() || waiting.size() > 0 || slots.hasUncopied();
    }

    /// Copies pieces of cached prefixes. What comes back into a slot adds at most half a step's time, as prompts do.
    private void copyPrefixes() {
        long most = rows == 0 ? COPY_NANOS : (long) (PrefillBudget.SHARE * stepNanos);
        long begun = clock.getAsLong();
        while (slots.restorePiece() && clock.getAsLong() - begun < most) {
            // The next piece.
        }
        slots.copyPiece();
    }

    /// Ends every admitted sequence.
    void endAll(FinishReason reason) {
        endAll(reason, () -> true);
    }

    /// Ends every admitted sequence, and writes cached prefixes if there is a folder for them.
    ///
    /// @param isTimeUp ends the writing; asked again and again
    void endAll(FinishReason reason, BooleanSupplier isTimeUp) {
        for (int slot = rows - 1; slot >= 0; slot--) {
            runningAt(slot).finish(reason);
            slots.release(slot);
        }
        rows = 0;
        prefilling.removeIf(sequence -> {
            leave(sequence, reason);
            return true;
        });
        try {
            slots.store(isTimeUp);
        } finally {
            slots.close();
        }
        stats.recordHeld(0, 0);
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
        // Goes down from the last slot, so that few sequences move if many end together.
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

    private void countFreeSlots() {
        waiting.freeSlots(isBlocked() ? 0 : slotCount - running());
    }

    private boolean isBlocked() {
        return blocked != null && prefilling.has(blocked);
    }

    /// While the cache has no room for one sequence, none is taken: the queue has the fairer order.
    private void admit() {
        countFreeSlots();
        while (running() < slotCount && !isBlocked()) {
            var sequence = waiting.poll();
            if (sequence == null) {
                return;
            }
            sequence.taken(taken++);
            prefilling.add(sequence);
        }
    }

    /// Makes room for the next token of each running sequence, of the oldest first. If there is none, the newest
    /// sequence that has room loses it. So the oldest one always goes on, and each is the oldest one some time.
    private void makeRoom() {
        var oldestFirst = IntStream.range(0, rows)
                .mapToObj(this::runningAt)
                .sorted(Comparator.comparingLong(Sequence::taken))
                .toList();
        for (var sequence : oldestFirst) {
            int position = sequence.newestPosition();
            while (slots.slotOf(sequence) >= 0 && !slots.reserve(sequence, position, position + 1)) {
                preempt(newestWithRoom());
            }
        }
    }

    private Sequence newestWithRoom() {
        return Stream.concat(IntStream.range(0, rows).mapToObj(this::runningAt), prefilling.all().stream())
                .filter(sequence -> slots.slotOf(sequence) >= 0)
                .max(Comparator.comparingLong(Sequence::taken))
                .orElseThrow();
    }

    /// Takes a sequence's room. It waits until there is room again, and its prompt and answer so far are then
    /// prefilled.
    private void preempt(Sequence sequence) {
        int slot = slots.slotOf(sequence);
        boolean isRunning = slot < rows;
        slots.discard(slot);
        if (isRunning) {
            rows--;
            if (slot != rows) {
                slots.exchange(slot, rows);
            }
            prefilling.add(sequence);
        }
        sequence.preempt();
        stats.recordPreempted();
        LOG.debug("sequence {} waits for room in the KV cache, after {} tokens", sequence.id(), sequence.generated());
    }

    /// Prefills in calls of their own: if nothing runs, or if results must not depend on what else runs.
    private void prefill() {
        int budget = sizes.alone();
        int calls = 0;
        Set<Sequence> passed = new HashSet<>();
        while (calls < sizes.parts() && passed.size() < prefilling.size() && budget >= sizes.least()) {
            var sequence = prefilling.next(passed);
            if (!place(sequence)) {
                passed.add(sequence);
                continue;
            }
            calls++;
            int start = sequence.prefilled();
            int count = Math.min(sizes.cutAfter(start) - start, sequence.promptLeft());
            count = sequence.untilKept(count);
            prefill(sequence, count);
            budget -= count;
        }
    }

    /// @return false while the cache has no room for it, or its cached prefix is being copied
    private boolean place(Sequence sequence) {
        if (slots.slotOf(sequence) < 0) {
            boolean quiet = rows == 0 && prefilling.size() == 1;
            if (mustWait(sequence)) {
                return false;
            }
            sequence.begin();
            if (!slots.place(sequence, rows, quiet || decoder.deterministic())) {
                blocked = sequence;
                freeWhenBlocked = decoder.room().free();
                return false;
            }
            blocked = blocked == sequence ? null : blocked;
            if (quiet) {
                slots.exchange(slots.slotOf(sequence), 0);
            }
        }
        return !slots.isRestoring(sequence);
    }

    /// Whether the cache has no room for a sequence, or for an older one. The one that is blocked tries again when
    /// there is more room than before.
    private boolean mustWait(Sequence sequence) {
        var older = blocked;
        if (older == null || !prefilling.has(older) || sequence.taken() < older.taken()) {
            return false;
        }
        return sequence != older || hasHolders() && decoder.room().free() <= freeWhenBlocked;
    }

    /// Whether a sequence has room.
    private boolean hasHolders() {
        return rows > 0 || prefilling.all().stream().anyMatch(sequence -> slots.slotOf(sequence) >= 0);
    }

    /// How many prompt tokens to prefill in the next step.
    private int promptTokens() {
        if (prefilling.isEmpty()) {
            return 0;
        }
        return prefilling.isBurst() && allAreYoung() ? sizes.beside() : pace.tokens(rows);
    }

    /// Whether all running sequences have just begun. Those that wait came with them: what these wait longer for
    /// their next tokens, the others wait less for their first.
    private boolean allAreYoung() {
        for (int slot = 0; slot < rows; slot++) {
            if (runningAt(slot).generated() > YOUNG_TOKENS) {
                return false;
            }
        }
        return true;
    }

    private void prefill(Sequence sequence, int count) {
        int slot = slots.slotOf(sequence);
        int start = sequence.prefilled();
        boolean last = count == sequence.promptLeft();
        boolean sampled = last && sequence.history() == null;
        var ids = sequence.nextOfPrompt(last && !sampled ? count - 1 : count);
        boolean whole = start + ids.length == sizes.cutAfter(start);
        int token;
        try {
            token = call(slot, ids, start, sampled ? sequence.sampling() : null);
        } catch (OutOfMemoryException e) {
            shed(e, List.of(sequence));
            return;
        }
        if (sampled) {
            sequence.prefilled(count, whole);
            stats.recordTokens(count, 1);
            begin(sequence, token);
            return;
        }
        prefilled(sequence, ids.length, whole);
        stats.recordTokens(ids.length, 0);
        if (last) {
            // Only decode steps adjust logits and give log-probabilities, so the prompt's last token goes into
            // such a step.
            run(sequence);
        }
    }

    /// Runs a piece of a prompt.
    ///
    /// @param sampling of the token that follows; null if none is to be sampled
    /// @return that token, or [Decoder#NO_TOKEN]
    private int call(int slot, int[] ids, int start, @Nullable SamplingParameters sampling) {
        if (sampling != null) {
            return decoder.prefillLast(slot, ids, start, sampling);
        }
        if (ids.length > 0) {
            long begun = clock.getAsLong();
            decoder.prefill(slot, ids, start);
            if (evicted != null) {
                evicted.prefillTook(ids.length, clock.getAsLong() - begun);
            }
        }
        return Decoder.NO_TOKEN;
    }

    /// The prompt is in the cache: its sequence starts to run, unless the first token ends it.
    private void begin(Sequence sequence, int token) {
        if (token == Decoder.NO_TOKEN) {
            failed(sequence);
            return;
        }
        var reason = sequence.accept(token, endOfSequence.test(token), null);
        if (reason == null) {
            run(sequence);
        } else {
            prefilling.remove(sequence);
            leave(sequence, reason);
        }
    }

    private void prefilled(Sequence sequence, int count, boolean asAlone) {
        sequence.prefilled(count, asAlone);
        if (count > 0 && sequence.isAtKept()) {
            decoder.keep(slots.slotOf(sequence));
        }
    }

    private void run(Sequence sequence) {
        prefilling.remove(sequence);
        slots.exchange(slots.slotOf(sequence), rows);
        rows++;
    }

    /// @param beside parts of prompts to prefill in the same step
    private void decode(List<PrefillQueue.Part> beside) {
        // Without parts of prompts: how long these make a step is measured without drafts.
        var drafts = prefilling.isEmpty() ? speculation.drafts(ofStep(beside)) : new int[rows][0];
        dropWithoutRoom(drafts);
        int promptTokens = beside.stream().mapToInt(PrefillQueue.Part::count).sum();
        long begun = clock.getAsLong();
        fillBatch(drafts);
        int[] tokens;
        try {
            tokens = promptTokens == 0 ? decoder.decode(batch, 1) : decoder.decodeBeside(batch, slots.chunks(beside));
        } catch (OutOfMemoryException e) {
            if (batch.hasDrafts()) {
                endDrafts(e);
            } else {
                shed(e, ofStep(beside));
            }
            return;
        }
        stepNanos = clock.getAsLong() - begun;
        int drafted = batch.rows() - rows;
        if (drafted == 0) {
            pace.stepTook(rows, promptTokens, stepNanos);
        }
        if (promptTokens == 0) {
            speculation.stepTook(rows, drafted, stepNanos);
        }
        beside.forEach(part -> prefilled(part.sequence(), part.count(), false));
        int taken = 0;
        int accepted = 0;
        int row = batch.rows();
        for (int slot = rows - 1; slot >= 0; slot--) {
            row -= 1 + drafts[slot].length;
            int ofSequence = accept(slot, row, tokens, drafts[slot]);
            taken += ofSequence;
            accepted += Math.max(0, ofSequence - 1);
        }
        stats.recordTokens(promptTokens, taken);
        stats.recordDrafts(drafted, accepted);
        beside.stream()
                .map(PrefillQueue.Part::sequence)
                .filter(sequence -> sequence.promptLeft() == 1)
                .forEach(this::run);
    }

    /// Draft tokens take free room alone: for guesses, no prefix is evicted and no sequence loses its room.
    private void dropWithoutRoom(int[][] drafts) {
        for (int slot = 0; slot < rows; slot++) {
            int next = runningAt(slot).newestPosition() + 1;
            int count = drafts[slot].length;
            if (count > 0 && !decoder.room().reserve(slot, next, next + count)) {
                drafts[slot] = new int[0];
            }
        }
    }

    private void fillBatch(int[][] drafts) {
        batch.clear();
        for (int slot = 0; slot < rows; slot++) {
            var sequence = runningAt(slot);
            sequence.prepareStep(maskThreads);
            var history = sequence.history();
            batch.add(sequence.newestToken(), sequence.newestPosition(), sequence.sampling(), history);
            for (int i = 0; i < drafts[slot].length; i++) {
                batch.addDraft(drafts[slot][i], history == null ? null : history.with(drafts[slot], i + 1));
            }
        }
    }

    /// Gives a sequence its token, and those after draft tokens that were right.
    ///
    /// @param row the sequence's first row
    /// @return how many rows had a token for it; each after the first one has saved a step
    private int accept(int slot, int row, int[] tokens, int[] drafts) {
        var sequence = runningAt(slot);
        for (int taken = 0; ; ) {
            int token = tokens[row + taken];
            if (token == Decoder.NO_TOKEN) {
                failed(sequence);
                return taken;
            }
            var reason = sequence.accept(token, endOfSequence.test(token), batch.logprobs(0, row + taken));
            taken++;
            boolean isRight = taken <= drafts.length && token == drafts[taken - 1];
            if (reason == null && isRight && sequence.mayDraft()) {
                continue;
            }
            if (taken <= drafts.length) {
                decoder.cut(slot, sequence.cached());
            }
            if (reason != null) {
                retire(slot, reason);
            }
            return taken;
        }
    }

    /// The running sequences, and those of whose prompts the step has a part.
    private List<Sequence> ofStep(List<PrefillQueue.Part> beside) {
        List<Sequence> all = new ArrayList<>();
        for (int row = 0; row < rows; row++) {
            all.add(runningAt(row));
        }
        beside.stream().filter(part -> part.count() > 0).forEach(part -> all.add(part.sequence()));
        return all;
    }

    /// Memory ran out in a call. Its newest sequence ends, so that the others can go on: the next step tries again
    /// without it. If the call cannot be repeated, all of its sequences end.
    private void shed(OutOfMemoryException e, List<Sequence> call) {
        decoder.recover();
        var repeats = decoder.canRepeatSteps();
        var ended = repeats
                ? List.of(call.stream()
                        .max(Comparator.comparingLong(Sequence::id))
                        .orElseThrow())
                : call;
        LOG.error(
                "memory ran out in a call of {}, so {} ended: {}",
                Count.of(call.size(), "sequence"),
                ended.size() == 1 ? "the newest was" : "they were",
                e.getMessage());
        // What a call leaves that cannot be repeated is of no use.
        ended.forEach(sequence -> end(sequence, repeats));
    }

    /// Memory ran out in a step with draft tokens: they are worth no sequence. The next step tries again without any.
    private void endDrafts(OutOfMemoryException e) {
        decoder.recover();
        speculation.end();
        LOG.warn("memory ran out in a step with draft tokens, so there are none from now on: {}", e.getMessage());
    }

    /// The logits of a sequence are not finite: weights, activations or the device are at fault.
    private void failed(Sequence sequence) {
        LOG.error("sequence {} ends, because the model's numbers are not finite", sequence.id());
        // The whole slot: what is not finite may also lie behind this sequence, left by an earlier one. Attention
        // reads a little past a sequence's end, with a weight of 0, and 0 times NaN is NaN.
        decoder.clearSlot(slots.slotOf(sequence), decoder.description().contextLength());
        if (sequence.hasReused()) {
            slots.forgetLike(sequence);
        }
        end(sequence, false);
    }

    /// Ends a sequence with an error, wherever it is.
    ///
    /// @param keep whether its cached prefix is kept
    private void end(Sequence sequence, boolean keep) {
        int slot = slots.slotOf(sequence);
        if (slot < rows) {
            retire(slot, FinishReason.ERROR, keep);
        } else {
            prefilling.remove(sequence);
            leave(sequence, FinishReason.ERROR, keep);
        }
    }

    private void retire(int slot, FinishReason reason) {
        retire(slot, reason, true);
    }

    private void retire(int slot, FinishReason reason, boolean keep) {
        var ended = runningAt(slot);
        give(slot, keep);
        rows--;
        if (slot != rows) {
            slots.exchange(slot, rows);
        }
        // Before its client learns of the end, and may send the next request.
        countFreeSlots();
        ended.finish(reason);
    }

    /// Gives a slot back.
    private void give(int slot, boolean keep) {
        if (keep) {
            slots.release(slot);
        } else {
            slots.discard(slot);
        }
    }

    private void leave(Sequence sequence, FinishReason reason) {
        leave(sequence, reason, true);
    }

    /// Ends a sequence that is not running.
    private void leave(Sequence sequence, FinishReason reason, boolean keep) {
        int slot = slots.slotOf(sequence);
        if (slot >= 0) {
            give(slot, keep);
        }
        countFreeSlots();
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
