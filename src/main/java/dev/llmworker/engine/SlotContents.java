package dev.llmworker.engine;

import dev.llmworker.model.decoder.Decoder;
import dev.llmworker.model.decoder.PromptPart;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What lies in each slot of the decoder's cache: a sequence's past, which grows, or that of one that has ended, kept
/// because a later prompt may begin with the same ids. Pasts are matched by ids alone, so a sequence starts from
/// nothing but what it has itself sent.
///
/// Threading: the engine thread alone.
final class SlotContents {
    /// Positions below which a past is neither kept nor looked for: to copy it costs as much as to compute it.
    static final int LEAST_TOKENS = 16;

    private final Decoder decoder;
    private final int grid;
    private final @Nullable Sequence[] owners;
    private final @Nullable Past[] pasts;
    private final long[] lastUse;
    private long uses;

    /// Of a sequence that has ended.
    ///
    /// @param ids those of the positions 0 to `length`, exclusive; the array may be longer
    /// @param exact positions from 0 that whole chunks of the grid have filled
    private record Past(int[] ids, int length, int exact) {}

    /// @param grid chunks that begin at multiples of this, and have as many tokens, give the same cache whenever they
    /// run
    SlotContents(Decoder decoder, int grid) {
        this.decoder = decoder;
        this.grid = grid;
        int slots = decoder.description().slots();
        owners = new Sequence[slots];
        pasts = new Past[slots];
        lastUse = new long[slots];
    }

    @Nullable
    Sequence owner(int slot) {
        return owners[slot];
    }

    /// -1 where the sequence has none.
    int slotOf(Sequence sequence) {
        return indexOf(sequence, owners);
    }

    private static int indexOf(Object content, @Nullable Object[] slots) {
        for (int slot = 0; slot < slots.length; slot++) {
            if (slots[slot] == content) {
                return slot;
            }
        }
        return -1;
    }

    /// Gives a sequence a slot behind the running ones, of which one at least has no owner, and in it the longest
    /// beginning of its prompt that lies in any slot.
    ///
    /// @param rows the running sequences, whose slots are 0 to this
    /// @param exactOnly take over only what the sequence's own chunks would give to the bit
    void place(Sequence sequence, int rows, boolean exactOnly) {
        int source = -1, reused = LEAST_TOKENS - 1, matched = 0;
        for (int slot = 0; slot < owners.length; slot++) {
            int match = matching(sequence, slot);
            int usable = exactOnly ? Math.min(match, exact(slot)) / grid * grid : match;
            if (usable > reused) {
                source = slot;
                reused = usable;
                matched = match;
            }
        }
        if (source < 0) {
            take(sequence, vacate(rows));
            return;
        }
        lastUse[source] = ++uses;
        int exact = Math.min(reused, exact(source)) / grid * grid;
        // Nothing is lost where the prompt goes on from all that lies there, or is a request sent again.
        boolean takeOver =
                owners[source] == null && (matched == length(source) || matched == sequence.promptLength() - 1);
        var past = pasts[source];
        int slot = takeOver ? source : vacate(rows);
        // It may have had to make room itself.
        int from = past == null ? source : indexOf(past, pasts);
        if (slot != from) {
            decoder.copySlot(from, slot, reused);
        }
        take(sequence, slot);
        sequence.reuse(reused, exact);
    }

    private void take(Sequence sequence, int slot) {
        pasts[slot] = null;
        owners[slot] = sequence;
    }

    /// A slot for a new sequence: the one after the running ones, where it will run, if that is free; what lies there
    /// is kept elsewhere in place of what was used least recently.
    private int vacate(int rows) {
        int free = leastRecentlyUsed(rows);
        if (owners[rows] != null || free == rows) {
            return free;
        }
        int length = length(rows);
        if (length > 0) {
            decoder.moveSlot(rows, free, length);
            pasts[free] = pasts[rows];
            pasts[rows] = null;
            lastUse[free] = lastUse[rows];
        }
        return rows;
    }

    /// An empty slot first.
    private int leastRecentlyUsed(int rows) {
        int found = -1;
        for (int slot = rows; slot < owners.length; slot++) {
            if (owners[slot] == null && pasts[slot] == null) {
                return slot;
            }
            if (owners[slot] == null && (found < 0 || lastUse[slot] < lastUse[found])) {
                found = slot;
            }
        }
        if (found < 0) {
            throw new IllegalStateException("all " + owners.length + " slots have owners; " + rows + " run");
        }
        return found;
    }

    /// Parts of prompts as the decoder takes them, each in its sequence's slot.
    List<PromptPart> chunks(List<PromptTurns.Part> parts) {
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

    /// Positions in all slots that have owners.
    int ownedPositions() {
        int positions = 0;
        for (var owner : owners) {
            positions += owner == null ? 0 : owner.cached();
        }
        return positions;
    }

    /// The owner has ended; its past is kept where another could use it.
    void release(int slot) {
        boolean keep = length(slot) >= LEAST_TOKENS && (!decoder.deterministic() || exact(slot) > 0);
        var owner = owners[slot];
        pasts[slot] = keep && owner != null ? new Past(owner.ids(), owner.cached(), owner.exact()) : null;
        owners[slot] = null;
        lastUse[slot] = ++uses;
    }

    /// Lets two slots change places.
    void exchange(int a, int b) {
        if (a == b) {
            return;
        }
        int inA = length(a), inB = length(b);
        if (inA > 0 && inB > 0) {
            decoder.swapSlots(a, b, Math.max(inA, inB));
        } else if (inA > 0) {
            decoder.moveSlot(a, b, inA);
        } else if (inB > 0) {
            decoder.moveSlot(b, a, inB);
        }
        var owner = owners[a];
        owners[a] = owners[b];
        owners[b] = owner;
        var past = pasts[a];
        pasts[a] = pasts[b];
        pasts[b] = past;
        long use = lastUse[a];
        lastUse[a] = lastUse[b];
        lastUse[b] = use;
    }

    /// How many ids the slot's content and a prompt begin with alike; not the prompt's last, whose logits are wanted.
    private int matching(Sequence sequence, int slot) {
        int length = Math.min(length(slot), sequence.promptLength() - 1);
        if (length <= 0) {
            return 0;
        }
        int mismatch = Arrays.mismatch(ids(slot), 0, length, sequence.ids(), 0, length);
        return mismatch < 0 ? length : mismatch;
    }

    private int[] ids(int slot) {
        var owner = owners[slot];
        var past = pasts[slot];
        return owner != null ? owner.ids() : past != null ? past.ids : new int[0];
    }

    private int length(int slot) {
        var owner = owners[slot];
        var past = pasts[slot];
        return owner != null ? owner.cached() : past != null ? past.length : 0;
    }

    private int exact(int slot) {
        var owner = owners[slot];
        var past = pasts[slot];
        return owner != null ? owner.exact() : past != null ? past.exact : 0;
    }
}
