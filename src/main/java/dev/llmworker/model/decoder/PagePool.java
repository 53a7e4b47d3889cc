package dev.llmworker.model.decoder;

import java.util.Arrays;
import java.util.BitSet;

/// A KV cache in pages that all slots share. A slot is a list of pages, one for each [#pageTokens()] positions. Slots
/// whose sequences begin alike have pages in common: a page is copied when one of them writes to it. Page 0 belongs to
/// no slot.
///
/// Threading: as [Decoder].
public final class PagePool implements CacheRoom {
    /// Where the pages are.
    public interface Storage {
        /// The pages of a slot, from the given one on.
        void place(int slot, int first, int[] pages);

        void copy(int from, int to);

        void clear(int[] pages);
    }

    private final int pageTokens;
    private final Storage storage;
    private final BitSet free = new BitSet();
    /// How many slots have a page.
    private final int[] holders;
    private final int[][] slots;
    private final int pages;

    /// @param pages at least 2, with page 0
    public PagePool(int pages, int pageTokens, int slots, Storage storage) {
        if (pages < 2 || pageTokens < 1 || slots < 1) {
            throw new IllegalArgumentException(pages + " pages of " + pageTokens + " tokens for " + slots + " slots");
        }
        this.pages = pages;
        this.pageTokens = pageTokens;
        this.storage = storage;
        this.holders = new int[pages];
        this.slots = new int[slots][0];
        free.set(1, pages);
    }

    public int pageTokens() {
        return pageTokens;
    }

    /// All pages but page 0.
    public int pages() {
        return pages - 1;
    }

    @Override
    public int free() {
        return free.cardinality();
    }

    /// The page of a position of a slot.
    ///
    /// @throws IndexOutOfBoundsException if it has none
    public int page(int slot, int position) {
        return slots[slot][position / pageTokens];
    }

    /// Whether other slots have the page of a position too.
    public boolean isShared(int slot, int position) {
        return holders[page(slot, position)] > 1;
    }

    @Override
    public boolean reserve(int slot, int start, int end) {
        int before = slots[slot].length;
        int first = start / pageTokens;
        int last = Math.ceilDiv(end, pageTokens);
        int shared = 0;
        for (int i = first; i < Math.min(before, last); i++) {
            shared += holders[slots[slot][i]] > 1 ? 1 : 0;
        }
        int added = Math.max(0, last - before);
        if (shared + added > free.cardinality()) {
            return false;
        }
        for (int i = first; shared > 0 && i < Math.min(before, last); i++) {
            if (holders[slots[slot][i]] > 1) {
                own(slot, i, start <= i * pageTokens);
            }
        }
        if (added > 0) {
            var table = Arrays.copyOf(slots[slot], last);
            System.arraycopy(take(added), 0, table, before, added);
            slots[slot] = table;
            place(slot, before, last);
        }
        return true;
    }

    /// Gives a slot a page of its own instead of a shared one.
    ///
    /// @param isRewritten whether all of its positions will be written
    private void own(int slot, int index, boolean isRewritten) {
        int shared = slots[slot][index];
        int page = take(1)[0];
        if (!isRewritten) {
            storage.copy(shared, page);
        }
        holders[shared]--;
        slots[slot][index] = page;
        place(slot, index, index + 1);
    }

    /// Takes free pages. Pages that follow each other are read faster, so they come from the first gap that has room
    /// for all, if there is one.
    private int[] take(int count) {
        int begin = free.nextSetBit(0);
        while (begin >= 0) {
            int end = free.nextClearBit(begin);
            if (end - begin >= count) {
                break;
            }
            begin = free.nextSetBit(end);
        }
        var taken = new int[count];
        int page = Math.max(begin, 0);
        for (int i = 0; i < count; i++) {
            page = free.nextSetBit(page);
            free.clear(page);
            holders[page] = 1;
            taken[i] = page;
        }
        return taken;
    }

    private void place(int slot, int first, int last) {
        storage.place(slot, first, Arrays.copyOfRange(slots[slot], first, last));
    }

    @Override
    public void cut(int slot, int length) {
        int left = Math.min(Math.ceilDiv(length, pageTokens), slots[slot].length);
        for (int i = left; i < slots[slot].length; i++) {
            int page = slots[slot][i];
            if (--holders[page] == 0) {
                free.set(page);
            }
        }
        slots[slot] = Arrays.copyOf(slots[slot], left);
    }

    /// The sequence in slot `to` has the first `length` positions of slot `from`, which is another one, and no others.
    public void copy(int from, int to, int length) {
        int count = Math.ceilDiv(length, pageTokens);
        var table = Arrays.copyOf(slots[from], count);
        for (int page : table) {
            holders[page]++;
        }
        cut(to, 0);
        slots[to] = table;
        place(to, 0, count);
    }

    /// Exchanges two slots.
    public void swap(int a, int b) {
        var table = slots[a];
        slots[a] = slots[b];
        slots[b] = table;
        place(a, 0, slots[a].length);
        place(b, 0, slots[b].length);
    }

    @Override
    public void swapReserved(int a, int b) {
        swap(a, b);
    }

    /// Clears the pages that only this slot has. What others share was there before the sequence wrote anything.
    public void clear(int slot) {
        storage.clear(
                Arrays.stream(slots[slot]).filter(page -> holders[page] == 1).toArray());
    }
}
