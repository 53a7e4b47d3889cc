package dev.llmworker.engine;

import dev.llmworker.generation.PrefixHold;
import dev.llmworker.model.decoder.CacheRoom;
import dev.llmworker.model.decoder.Decoder;
import dev.llmworker.model.decoder.PromptPart;
import dev.llmworker.model.decoder.PromptSizes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import java.util.function.IntPredicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Which token prefix each KV-cache slot holds: that of a running sequence, which grows, or that of an ended one.
/// The latter is kept because a later prompt may begin with the same ids. Prefixes are matched by salt and ids, so a
/// sequence only reuses what its own prompt also contains, and nobody learns from a fast answer what another client
/// asked. Prefixes that lose their slots are copied to main memory ([EvictedPrefixes]) and back.
///
/// Threading: the engine thread alone.
final class PrefixCache {
    /// Shorter prefixes are neither kept nor looked up: copying one costs as much as computing it.
    static final int LEAST_TOKENS = 16;

    private final Decoder decoder;
    private final CacheRoom room;
    private final PromptSizes cuts;
    private final IntPredicate endsTurn;
    private final @Nullable Sequence[] owners;
    private final @Nullable Past[] pasts;
    private final long[] lastUse;
    private final @Nullable EvictedPrefixes evicted;
    private final Map<Sequence, EvictedPrefixes.Restore> restores = new LinkedHashMap<>();
    private long uses;
    /// Whether all is copied that can be, until another sequence ends or takes a slot.
    private boolean isCopied;

    /// The prefix that an ended sequence left.
    ///
    /// @param ids the token ids at positions 0 to `length`, exclusive; the array may be longer
    /// @param exact how many positions from 0 were filled by whole chunks, as those of a prompt that comes alone
    /// @param salt that of the sequence
    /// @param hold keeps it; null if nothing does
    record Past(
            int[] ids,
            int length,
            int exact,
            String salt,
            @Nullable PrefixHold hold) {
        static final Past NOTHING = new Past(new int[0], 0, 0, "", null);

        static Past of(Sequence owner) {
            return new Past(owner.ids(), owner.cached(), owner.exact(), owner.cacheSalt(), owner.hold());
        }

        Past withoutHold() {
            return new Past(ids, length, exact, salt, null);
        }
    }

    /// @param endsTurn whether a token ends an answer; in prompts it ends turns
    /// @param evicted null if what loses its slot is lost
    PrefixCache(Decoder decoder, IntPredicate endsTurn, @Nullable EvictedPrefixes evicted) {
        this.decoder = decoder;
        this.room = decoder.room();
        this.cuts = decoder.prompts();
        this.endsTurn = endsTurn;
        this.evicted = evicted;
        int slots = decoder.description().slots();
        owners = new Sequence[slots];
        pasts = new Past[slots];
        lastUse = new long[slots];
    }

    @Nullable
    Sequence owner(int slot) {
        return owners[slot];
    }

    /// The sequence's slot; -1 if it has none.
    int slotOf(Sequence sequence) {
        return Arrays.asList(owners).indexOf(sequence);
    }

    /// Assigns a free slot behind the running ones; at least one must be free. The slot gets the longest cached
    /// prefix of the prompt.
    ///
    /// @param rows how many sequences are running; they occupy the first slots
    /// @param exactOnly reuse only what the sequence's own chunks would reproduce bit for bit
    /// @return false if the cache has no room for it; then it has no slot
    boolean place(Sequence sequence, int rows, boolean exactOnly) {
        // Where results do not depend on how a prompt was cut, all that matches is exact.
        boolean onGrid = exactOnly && !decoder.rowsAreIndependent();
        int source = -1, reused = LEAST_TOKENS - 1, matched = 0, longest = 0;
        for (int slot = 0; slot < owners.length; slot++) {
            int match = matching(sequence, slot);
            int usable = decoder.reusable(slot, onGrid ? cuts.cutBefore(Math.min(match, held(slot).exact)) : match);
            longest = Math.max(longest, match);
            if (usable > reused) {
                source = slot;
                reused = usable;
                matched = match;
            }
        }
        var restore = evicted == null ? null : evicted.find(sequence, onGrid, source < 0 ? 0 : reused);
        if (decoder.needsKept()) {
            int goesOn = restore != null ? restore.length() : source < 0 ? 0 : reused;
            sequence.keepAt(kept(sequence, goesOn, longest));
        }
        boolean isCopy = false;
        if (source < 0) {
            int slot = vacate(rows, source);
            room.cut(slot, 0);
            take(sequence, slot);
        } else {
            isCopy = reuse(sequence, rows, source, reused, matched);
        }
        if (!reserve(sequence, restore == null ? sequence.prefilled() : 0, positionsToBegin(sequence))) {
            if (isCopy) {
                // A page of a running sequence would stay shared, though the sequence has room for its next token.
                discard(slotOf(sequence));
            } else {
                release(slotOf(sequence));
            }
            sequence.beginAnew();
            return false;
        }
        if (restore != null) {
            restore.begin(sequence);
            restores.put(sequence, restore);
        }
        return true;
    }

    /// For its prompt and its first step. In deterministic mode for all of its answer: if it lost its room, it would
    /// compute
    /// the same positions in other calls, whose results may differ in the last bits.
    private int positionsToBegin(Sequence sequence) {
        int first = decoder.deterministic() ? sequence.mostPositions() : sequence.prefillLength() + 1;
        return Math.min(first, decoder.description().contextLength());
    }

    /// Makes room for positions of a sequence. What ended sequences left makes room as far as it must.
    ///
    /// @param end exclusive
    /// @return false if there is not enough
    boolean reserve(Sequence sequence, int start, int end) {
        int slot = slotOf(sequence);
        while (!room.reserve(slot, start, end)) {
            var next = ended().filter(other -> pasts[other] != null).findFirst();
            if (next.isEmpty()) {
                return false;
            }
            int victim = next.get();
            if (evicted != null) {
                evicted.evict(held(victim), victim, true);
            }
            pasts[victim] = null;
            room.cut(victim, 0);
        }
        return true;
    }

    /// Gives a sequence a slot with the first positions of another one.
    ///
    /// @param matched positions that the source and the prompt have in common
    /// @return whether another slot has them too
    private boolean reuse(Sequence sequence, int rows, int source, int reused, int matched) {
        lastUse[source] = ++uses;
        int exact = cuts.cutBefore(Math.min(reused, held(source).exact));
        var past = pasts[source];
        boolean isOthers = past != null && past.hold != sequence.hold() && isHeld(source);
        // Nothing is lost if the prompt continues the whole cached prefix, and little if it repeats an earlier prompt.
        // Another slot would cost a held prefix if nothing else could be evicted.
        boolean takeOver = owners[source] == null
                && !isOthers
                && (matched == held(source).length
                        || matched == sequence.prefillLength() - 1
                        || !canEvictUnheld(rows, source));
        if (takeOver && evicted != null) {
            evicted.evictBehind(held(source), source, matched, rows > 0);
        }
        int slot = takeOver ? source : vacate(rows, source);
        // `vacate` may have moved the source to another slot.
        int from = past == null ? source : Arrays.asList(pasts).indexOf(past);
        if (slot != from || reused < held(from).length) {
            decoder.copySlot(from, slot, reused);
        }
        take(sequence, slot);
        sequence.reuse(reused, exact);
        return slot != from;
    }

    /// The positions of a prompt that later prompts may share: the end of what it shares with an earlier one,
    /// or else of the first turn, which is mostly the system prompt; and the end of the last turn. A prompt
    /// without turns may come again as it is.
    private List<Integer> kept(Sequence sequence, int reused, int longest) {
        int first = 0, last = 0;
        for (int i = 0; i < sequence.prefillLength(); i++) {
            if (endsTurn.test(sequence.ids()[i])) {
                first = first == 0 ? i + 1 : first;
                last = i + 1;
            }
        }
        if (longest >= reused + LEAST_TOKENS) {
            first = longest;
        }
        if (last == 0) {
            last = sequence.prefillLength() - 1;
        }
        return IntStream.of(first, last)
                .map(position -> Math.min(position, sequence.prefillLength() - 1))
                .map(position -> decoder.rowsAreIndependent() ? position : cuts.cutBefore(position))
                .filter(position -> position >= LEAST_TOKENS)
                .distinct()
                .sorted()
                .boxed()
                .toList();
    }

    private void take(Sequence sequence, int slot) {
        pasts[slot] = null;
        owners[slot] = sequence;
        isCopied = false;
    }

    /// Whether the sequence's cached prefix is still being copied into its slot.
    boolean isRestoring(Sequence sequence) {
        return restores.containsKey(sequence);
    }

    /// Copies a piece of a cached prefix into the slot of its sequence.
    ///
    /// @return whether there is more to copy
    boolean restorePiece() {
        if (restores.isEmpty()) {
            return false;
        }
        var first = restores.entrySet().iterator().next();
        var sequence = first.getKey();
        int slot = slotOf(sequence);
        if (!first.getValue().copyPiece(sequence, slot)) {
            // It may have ended in the middle of a piece that is no place to cut at.
            int most = first.getValue().reusable(sequence.prefilled(), sequence.exact());
            endRestore(sequence);
            int usable = decoder.reusable(slot, most);
            sequence.reuse(usable, cuts.cutBefore(Math.min(usable, sequence.exact())));
        }
        return !restores.isEmpty();
    }

    private void endRestore(@Nullable Sequence sequence) {
        var restore = restores.remove(sequence);
        if (restore != null) {
            restore.end();
        }
    }

    /// Whether [#copyPiece()] may find something.
    boolean hasUncopied() {
        return evicted != null && !isCopied && isFull();
    }

    /// Copies a piece of what is evicted next, so that its slot is free at once when another sequence needs it. While
    /// slots are empty, nothing is evicted.
    void copyPiece() {
        if (evicted == null || isCopied || !isFull()) {
            return;
        }
        boolean isNext = true;
        for (int slot : ended().toList()) {
            // Only for the next one others are dropped.
            if (evicted.copyPiece(held(slot), slot, isNext)) {
                return;
            }
            isNext = false;
        }
        isCopied = true;
    }

    private boolean isFull() {
        return IntStream.range(0, owners.length).noneMatch(slot -> owners[slot] == null && pasts[slot] == null);
    }

    /// The numbers of a sequence are not finite, and it reused a prefix: no prompt gets those that it may have them
    /// from.
    void forgetLike(Sequence sequence) {
        if (evicted != null) {
            evicted.forgetLike(sequence);
        }
        for (int slot = 0; slot < owners.length; slot++) {
            if (owners[slot] == null && matching(sequence, slot) >= LEAST_TOKENS) {
                decoder.clearSlot(slot, decoder.description().contextLength());
                pasts[slot] = null;
            }
        }
    }

    /// Writes the prefixes of slots and copies to the folder of stored prefixes, if there is one.
    ///
    /// @param isTimeUp ends the writing; asked again and again
    void store(BooleanSupplier isTimeUp) {
        if (evicted == null || !evicted.isStored() || isTimeUp.getAsBoolean()) {
            return;
        }
        // The one that was used last comes last, so that it counts as the newest.
        ended().sorted(Comparator.comparing(slot -> lastUse[slot]))
                .takeWhile(_ -> !isTimeUp.getAsBoolean())
                .filter(slot -> pasts[slot] != null)
                .forEach(slot -> evicted.copyToStore(held(slot), slot, isTimeUp));
        evicted.store(isTimeUp);
    }

    /// Frees the memory of what has no slot.
    void close() {
        if (evicted != null) {
            evicted.close();
        }
    }

    /// Frees a slot for a new sequence: the one after the running ones, where it will run, if that has no owner.
    /// Its prefix moves to the slot that was used least recently.
    ///
    /// @param source whose prefix is needed; -1 if none is
    private int vacate(int rows, int source) {
        int free = leastRecentlyUsed(rows, source);
        if (evicted != null && pasts[free] != null) {
            evicted.evict(held(free), free, rows > 0);
        }
        if (owners[rows] != null || free == rows) {
            return free;
        }
        int length = held(rows).length;
        if (length > 0) {
            decoder.moveSlot(rows, free, length);
            pasts[free] = pasts[rows];
            pasts[rows] = null;
            lastUse[free] = lastUse[rows];
        }
        return rows;
    }

    private boolean canEvictUnheld(int rows, int source) {
        return IntStream.range(rows, owners.length)
                .anyMatch(slot -> slot != source && owners[slot] == null && !isHeld(slot));
    }

    /// Prefers an empty slot, then one whose prefix nobody holds, then one whose prefix is copied. The source comes
    /// last.
    private int leastRecentlyUsed(int rows, int source) {
        int found = -1;
        for (int slot = rows; slot < owners.length; slot++) {
            if (owners[slot] == null && pasts[slot] == null) {
                return slot;
            }
            if (owners[slot] == null && slot != source && (found < 0 || goesBefore(slot, found))) {
                found = slot;
            }
        }
        if (found < 0 && source >= rows && owners[source] == null) {
            return source;
        }
        if (found < 0) {
            throw new IllegalStateException("all " + owners.length + " slots have owners; " + rows + " run");
        }
        return copied(rows, source, found);
    }

    /// If much of a slot's prefix is not copied yet, the next slot that is held as it is, or is not.
    private int copied(int rows, int source, int slot) {
        if (evicted == null) {
            return slot;
        }
        return ended().filter(other -> other >= rows && other != source && isHeld(other) == isHeld(slot))
                .filter(other -> !evicted.isLate(held(other), other))
                .findFirst()
                .orElse(slot);
    }

    /// The slots without owners, in the order in which they are evicted.
    private Stream<Integer> ended() {
        // A hold may end at any time.
        var held = IntStream.range(0, owners.length).mapToObj(this::isHeld).toList();
        return IntStream.range(0, owners.length)
                .filter(slot -> owners[slot] == null)
                .boxed()
                .sorted(Comparator.<Integer, Boolean>comparing(held::get).thenComparing(slot -> lastUse[slot]));
    }

    private boolean goesBefore(int slot, int other) {
        return isHeld(slot) != isHeld(other) ? isHeld(other) : lastUse[slot] < lastUse[other];
    }

    /// If more than half of the slots are held, the salt that holds most loses its oldest hold. So a client with many
    /// conversations takes nothing from one with few.
    private void limitHolds() {
        var held = IntStream.range(0, owners.length)
                .filter(this::isHeld)
                .boxed()
                .collect(Collectors.groupingBy(this::salt));
        int count = held.values().stream().mapToInt(List::size).sum();
        if (count <= owners.length / 2) {
            return;
        }
        int most = held.values().stream().mapToInt(List::size).max().orElse(0);
        int oldest = held.values().stream()
                .filter(slots -> slots.size() == most)
                .flatMap(List::stream)
                .min(Comparator.comparingLong(slot -> lastUse[slot]))
                .orElseThrow();
        pasts[oldest] = held(oldest).withoutHold();
    }

    private String salt(int slot) {
        return held(slot).salt;
    }

    private boolean isHeld(int slot) {
        var past = pasts[slot];
        return past != null && past.hold != null && !past.hold.isOver();
    }

    /// Converts parts of prompts to the decoder's form, each with its sequence's slot.
    List<PromptPart> chunks(List<PrefillQueue.Part> parts) {
        List<PromptPart> chunks = new ArrayList<>();
        for (var part : parts) {
            var sequence = part.sequence();
            if (part.count() > 0) {
                var ids = sequence.nextOfPrompt(part.count());
                chunks.add(new PromptPart(slotOf(sequence), ids, sequence.prefilled()));
            }
        }
        return chunks;
    }

    /// The number of positions in all slots that have owners.
    int ownedPositions() {
        int positions = 0;
        for (var owner : owners) {
            positions += owner == null ? 0 : owner.cached();
        }
        return positions;
    }

    /// The owner has ended. Its prefix is kept if another prompt could reuse it. It is the newest of its conversation.
    void release(int slot) {
        var held = held(slot);
        boolean keep = held.length >= LEAST_TOKENS && (!decoder.deterministic() || held.exact > 0);
        for (int other = 0; keep && held.hold != null && other < pasts.length; other++) {
            var past = pasts[other];
            if (past != null && past.hold == held.hold) {
                pasts[other] = past.withoutHold();
            }
        }
        pasts[slot] = keep ? held : null;
        room.cut(slot, keep ? held.length : 0);
        vacated(slot);
        lastUse[slot] = ++uses;
        limitHolds();
    }

    /// The owner has ended, and what it left is of no use.
    void discard(int slot) {
        pasts[slot] = null;
        room.cut(slot, 0);
        vacated(slot);
        lastUse[slot] = ++uses;
    }

    private void vacated(int slot) {
        endRestore(owners[slot]);
        owners[slot] = null;
        isCopied = false;
    }

    /// Swaps two slots.
    void exchange(int a, int b) {
        if (a == b) {
            return;
        }
        int inA = held(a).length, inB = held(b).length;
        if (inA > 0 && inB > 0) {
            decoder.swapSlots(a, b, Math.max(inA, inB));
        } else if (inA > 0) {
            decoder.moveSlot(a, b, inA);
        } else if (inB > 0) {
            decoder.moveSlot(b, a, inB);
        } else {
            room.swapReserved(a, b);
        }
        Collections.swap(Arrays.asList(owners), a, b);
        Collections.swap(Arrays.asList(pasts), a, b);
        long use = lastUse[a];
        lastUse[a] = lastUse[b];
        lastUse[b] = use;
    }

    /// How many ids the slot and a prompt share from the start. The prompt's last id does not count: its logits
    /// are needed. With different salts they share nothing.
    private int matching(Sequence sequence, int slot) {
        var held = held(slot);
        int length = Math.min(held.length, sequence.prefillLength() - 1);
        if (length <= 0 || !held.salt.equals(sequence.cacheSalt())) {
            return 0;
        }
        int mismatch = Arrays.mismatch(held.ids, 0, length, sequence.ids(), 0, length);
        return mismatch < 0 ? length : mismatch;
    }

    /// What a slot has now.
    private Past held(int slot) {
        var owner = owners[slot];
        var past = pasts[slot];
        return owner != null ? Past.of(owner) : past != null ? past : Past.NOTHING;
    }
}
