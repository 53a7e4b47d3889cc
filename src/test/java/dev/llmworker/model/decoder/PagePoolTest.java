package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class PagePoolTest {
    private final List<String> told = new ArrayList<>();

    private final PagePool pool = new PagePool(9, 4, 3, new PagePool.Storage() {
        @Override
        public void place(int slot, int first, int[] pages) {
            told.add("slot " + slot + " from " + first + ": " + Arrays.toString(pages));
        }

        @Override
        public void copy(int from, int to) {
            told.add("copy " + from + " to " + to);
        }

        @Override
        public void clear(int[] pages) {
            told.add("clear " + Arrays.toString(pages));
        }
    });

    @Test
    void aSlotTakesPagesAsItGrows() {
        assertTrue(pool.reserve(0, 0, 5));
        assertTrue(pool.reserve(0, 5, 8));
        assertEquals(6, pool.free());
        assertTrue(pool.reserve(0, 8, 9));
        assertEquals(List.of("slot 0 from 0: [1, 2]", "slot 0 from 2: [3]"), told);
        pool.cut(0, 4);
        assertEquals(7, pool.free());
    }

    @Test
    void whatDoesNotFitChangesNothing() {
        assertTrue(pool.reserve(0, 0, 20));
        told.clear();
        assertFalse(pool.reserve(1, 0, 13));
        assertEquals(3, pool.free());
        assertEquals(List.of(), told);
        assertTrue(pool.reserve(1, 0, 12));
        assertFalse(pool.reserve(2, 0, 1));
        pool.cut(0, 0);
        assertTrue(pool.reserve(2, 0, 20));
        assertEquals(0, pool.free());
    }

    @Test
    void aSharedPageIsCopiedWhenItIsWrittenTo() {
        assertTrue(pool.reserve(0, 0, 10));
        pool.copy(0, 1, 6);
        assertEquals(5, pool.free());
        assertTrue(pool.isShared(0, 5));
        told.clear();
        assertTrue(pool.reserve(1, 6, 7));
        assertEquals(List.of("copy 2 to 4", "slot 1 from 1: [4]"), told);
        assertEquals(pool.page(0, 3), pool.page(1, 3));
        assertNotEquals(pool.page(0, 4), pool.page(1, 4));
        // The other one has its page alone now.
        told.clear();
        assertTrue(pool.reserve(0, 7, 8));
        assertEquals(List.of(), told);
        pool.cut(0, 0);
        assertEquals(6, pool.free());
    }

    @Test
    void aPageThatIsWrittenAsAWholeIsNotCopied() {
        assertTrue(pool.reserve(0, 0, 8));
        pool.copy(0, 1, 8);
        told.clear();
        assertTrue(pool.reserve(1, 4, 8));
        assertEquals(List.of("slot 1 from 1: [3]"), told);
    }

    @Test
    void onlyWhatASlotHasAloneIsCleared() {
        assertTrue(pool.reserve(0, 0, 8));
        pool.copy(0, 1, 4);
        told.clear();
        pool.clear(0);
        assertEquals(List.of("clear [2]"), told);
    }

    @Test
    void pagesFollowEachOtherWhereThereIsAGap() {
        assertTrue(pool.reserve(0, 0, 4));
        assertTrue(pool.reserve(1, 0, 4));
        pool.cut(0, 0);
        told.clear();
        assertTrue(pool.reserve(2, 0, 8));
        assertEquals(List.of("slot 2 from 0: [3, 4]"), told);
    }

    @Test
    void exchangedSlotsHaveEachOthersPages() {
        assertTrue(pool.reserve(0, 0, 8));
        pool.swap(0, 1);
        assertEquals(1, pool.page(1, 0));
        assertTrue(pool.reserve(0, 0, 1));
        assertEquals(3, pool.page(0, 0));
    }
}
