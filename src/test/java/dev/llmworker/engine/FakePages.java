package dev.llmworker.engine;

import dev.llmworker.model.decoder.PagePool;
import java.util.Arrays;

/// The pages of a fake decoder. A page that two slots have by mistake, or none has, shows when it is written or read.
final class FakePages implements PagePool.Storage {
    private final int[][] memory;
    private final int[][] tables;
    private final int pageTokens;
    final PagePool pool;
    int copies;

    FakePages(int pages, int pageTokens, int slots) {
        this.memory = new int[pages][pageTokens];
        this.tables = new int[slots][1024];
        this.pageTokens = pageTokens;
        this.pool = new PagePool(pages, pageTokens, slots, this);
    }

    @Override
    public void place(int slot, int first, int[] pages) {
        System.arraycopy(pages, 0, tables[slot], first, pages.length);
    }

    @Override
    public void copy(int from, int to) {
        copies++;
        System.arraycopy(memory[from], 0, memory[to], 0, pageTokens);
    }

    @Override
    public void clear(int[] pages) {
        for (int page : pages) {
            Arrays.fill(memory[page], 0);
        }
    }

    void write(int slot, int start, int[] ids) {
        for (int i = 0; i < ids.length; i++) {
            int position = start + i;
            int page = page(slot, position);
            if (pool.isShared(slot, position)) {
                throw new AssertionError("position " + position + " of slot " + slot + " is in a page of others too");
            }
            memory[page][position % pageTokens] = ids[i];
        }
    }

    /// The slot's pages hold these ids.
    void check(int slot, int[] ids, int length) {
        for (int i = 0; i < length; i++) {
            if (memory[page(slot, i)][i % pageTokens] != ids[i]) {
                throw new AssertionError("slot " + slot + " holds another id at position " + i + " of " + length);
            }
        }
    }

    private int page(int slot, int position) {
        int page = tables[slot][position / pageTokens];
        if (page == 0 || page != pool.page(slot, position)) {
            throw new AssertionError("position " + position + " of slot " + slot + " is in page " + page);
        }
        return page;
    }
}
