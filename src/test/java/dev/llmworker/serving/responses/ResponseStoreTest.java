package dev.llmworker.serving.responses;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.memory.MemoryBudget;
import dev.llmworker.text.chat.ChatMessage;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What the store keeps, for how long, and what it takes of the budget.
class ResponseStoreTest {
    private static final Client CLIENT = Client.Nobody.INSTANCE;
    private static final long BUDGET_BYTES = 100_000;

    private final MemoryBudget budget = new MemoryBudget(BUDGET_BYTES);
    private Instant now = Instant.EPOCH;

    private ResponseStore store(int most) {
        return new ResponseStore(most, Duration.ofSeconds(60), () -> now, budget);
    }

    private static ResponseStore.Stored response(String id, int characters) {
        return new ResponseStore.Stored(
                id, "x".repeat(characters), List.of(), List.of(), List.of(ChatMessage.user("hi")));
    }

    @Test
    void aResponseExpires() {
        var store = store(10);
        store.put(CLIENT, response("a", 10));
        now = now.plusSeconds(59);
        store.put(CLIENT, response("b", 10));
        assertNotNull(store.find(CLIENT, "a"));
        now = now.plusSeconds(1);
        assertNull(store.find(CLIENT, "a"));
        assertNotNull(store.find(CLIENT, "b"));
        now = now.plusSeconds(60);
        assertNull(store.find(CLIENT, "b"));
        assertEquals(0, budget.usedBytes());
    }

    @Test
    void theStoreTakesAQuarterOfTheBudgetAtMost() {
        var store = store(10);
        for (var id : List.of("a", "b", "c")) {
            store.put(CLIENT, response(id, 5000));
        }
        assertNull(store.find(CLIENT, "a"));
        assertNotNull(store.find(CLIENT, "b"));
        assertNotNull(store.find(CLIENT, "c"));
        // One that is larger than all of it takes nothing from the others.
        store.put(CLIENT, response("d", 20_000));
        assertNull(store.find(CLIENT, "d"));
        assertNotNull(store.find(CLIENT, "b"));
        store.delete(CLIENT, "b");
        store.delete(CLIENT, "c");
        assertEquals(0, budget.usedBytes());
    }

    @Test
    void requestsThatHoldTheBudgetGoFirst() {
        var store = store(10);
        store.put(CLIENT, response("a", 5000));
        try (var lease = budget.lease()) {
            lease.count(BUDGET_BYTES);
            assertFalse(store.put(CLIENT, response("b", 10)));
            assertNull(store.find(CLIENT, "b"));
            // Its end would not have been enough.
            assertNotNull(store.find(CLIENT, "a"));
        }
        try (var lease = budget.lease()) {
            lease.count(BUDGET_BYTES - budget.usedBytes());
            assertTrue(store.put(CLIENT, response("b", 10)));
            assertNull(store.find(CLIENT, "a"));
            lease.count(0);
            assertNotNull(store.find(CLIENT, "b"));
        }
        store.delete(CLIENT, "b");
        assertEquals(0, budget.usedBytes());
    }

    @Test
    void nothingIsEvictedForAResponseThatIsNotKept() {
        var full = store(2);
        // Another API key's.
        var other = "other";
        assertTrue(full.put(CLIENT, response("a", 3000)));
        assertTrue(full.put(CLIENT, response("b", 3000)));
        // Larger than the store; and larger than what the largest may lose.
        assertFalse(full.put(other, response("c", 20_000)));
        assertNotNull(full.find(CLIENT, "a"));
        assertNotNull(full.find(CLIENT, "b"));
        full.delete(CLIENT, "a");
        full.delete(CLIENT, "b");
        var store = store(10);
        for (var id : List.of("a", "b", "c")) {
            assertTrue(store.put(CLIENT, response(id, 2500)));
        }
        assertTrue(store.put("third", response("d", 4000)));
        assertFalse(store.put(other, response("e", 6000)));
        for (var id : List.of("a", "b", "c")) {
            assertNotNull(store.find(CLIENT, id), id);
        }
        // The memory that it lacks is more than its own responses have.
        store.delete(CLIENT, "a");
        store.delete(CLIENT, "b");
        try (var lease = budget.lease()) {
            lease.count(BUDGET_BYTES - budget.usedBytes());
            assertFalse(store.put(CLIENT, response("f", 4000)));
            assertNotNull(store.find(CLIENT, "c"));
        }
    }

    @Test
    void aWebSocketKeepsAResponseThatTheStoreDrops() {
        var store = store(1);
        var socket = new Object();
        assertEquals(
                ResponseStore.End.STORED,
                store.finish(CLIENT, "a", response("a", 10), new ResponseStore.Local(socket, List.of(), null)));
        store.put(CLIENT, response("b", 10));
        assertNull(store.find(CLIENT, "a"));
        assertNotNull(store.find(CLIENT, socket, "a"));
        assertNull(store.find(CLIENT, new Object(), "a"));
        now = now.plusSeconds(60);
        assertNotNull(store.find(CLIENT, socket, "a"));
        // Nothing is left of one that a client deletes, whether it is stored or not.
        assertTrue(store.delete(CLIENT, "a"));
        assertNull(store.find(CLIENT, socket, "a"));
        assertEquals(0, budget.usedBytes());
    }

    @Test
    void nothingIsKeptOfAResponseThatWasDeletedOrCancelledBeforeItsEnd() {
        var store = store(10);
        var socket = new Object();
        for (var id : List.of("deleted", "cancelled")) {
            store.begin(id, new ResponseStore.Running(CLIENT.cacheSalt(), () -> {}, _ -> "", 0));
        }
        store.delete(CLIENT, "deleted");
        store.cancel(CLIENT, "cancelled", _ -> {});
        assertEquals(
                ResponseStore.End.NOT_STORED,
                store.finish(
                        CLIENT, "deleted", response("deleted", 10), new ResponseStore.Local(socket, List.of(), null)));
        assertEquals(
                ResponseStore.End.CANCELLED,
                store.finish(
                        CLIENT,
                        "cancelled",
                        response("cancelled", 10),
                        new ResponseStore.Local(socket, List.of(), null)));
        assertNull(store.find(CLIENT, socket, "deleted"));
        assertNull(store.find(CLIENT, socket, "cancelled"));
        assertEquals(0, budget.usedBytes());
    }

    /// Clients choose the ids of items.
    @Test
    @Timeout(30)
    void manyItemsWithOneIdCostNoMoreThanOthers() {
        var store = new ResponseStore(1000, Duration.ofSeconds(60), () -> now, MemoryBudget.unlimited());
        var turn = ChatMessage.user("hi");
        for (var i = 0; i < 300; i++) {
            var items = new ArrayList<ResponseStore.Item>();
            for (var each = 0; each < 1024; each++) {
                items.add(new ResponseStore.Item("a", "{\"n\":" + i + "}", turn));
            }
            store.put(CLIENT, new ResponseStore.Stored("r" + i, "", items, List.of(), List.of()));
        }
        for (var i = 299; i > 0; i--) {
            assertEquals(
                    "{\"n\":" + i + "}",
                    Objects.requireNonNull(store.item(CLIENT, "a")).json());
            store.delete(CLIENT, "r" + i);
        }
        store.delete(CLIENT, "r0");
        assertNull(store.item(CLIENT, "a"));
    }

    @Test
    void aStoreOfNothingKeepsNothing() {
        var store = store(0);
        store.put(CLIENT, response("a", 10));
        assertNull(store.find(CLIENT, "a"));
    }
}
