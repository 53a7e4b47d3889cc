package dev.llmworker.serving.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class MemoryBudgetTest {
    private final MemoryBudget budget = new MemoryBudget(100);

    @Test
    void whatDoesNotFitIsNotTaken() {
        var first = budget.lease();
        var second = budget.lease();
        assertTrue(first.take(60));
        assertFalse(second.take(41));
        assertFalse(second.isTooLarge(41), "it would fit if the other were not there");
        assertTrue(second.isTooLarge(101));
        assertFalse(second.take(Long.MAX_VALUE), "the sum must not overflow");
        assertTrue(second.take(40));
        assertTrue(second.isTooLarge(61), "it holds 40 already");
        first.close();
        first.close();
        assertEquals(40, budget.usedBytes());
    }

    @Test
    void aClosedLeaseTakesNothing() {
        var lease = budget.lease();
        lease.close();
        assertFalse(lease.take(1));
        lease.count(1);
        assertEquals(0, budget.usedBytes());
    }

    @Test
    void aLeaseGrowsAndShrinks() {
        var lease = budget.lease();
        assertTrue(lease.resize(80));
        assertFalse(lease.resize(101));
        assertEquals(80, budget.usedBytes());
        assertTrue(lease.resize(10));
        assertEquals(10, budget.usedBytes());
        lease.count(200);
        assertFalse(budget.lease().take(1), "what is in memory counts, even beyond the limit");
        lease.close();
        assertEquals(0, budget.usedBytes());
    }

    @Test
    void whoTakesALeaseOverGivesItBack() {
        var lease = budget.lease();
        assertTrue(lease.take(30));
        try (var next = lease.handOver()) {
            lease.close();
            assertEquals(30, budget.usedBytes());
            assertFalse(next.isTooLarge(70));
        }
        assertEquals(0, budget.usedBytes());
    }
}
