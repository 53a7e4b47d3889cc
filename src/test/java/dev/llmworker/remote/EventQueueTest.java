package dev.llmworker.remote;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.RelayEvent;
import dev.llmworker.generation.memory.HeldMemory;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class EventQueueTest {
    private static final int CHARACTERS = 1000;

    private final AtomicLong held = new AtomicLong();
    private final HeldMemory memory = new HeldMemory() {
        @Override
        public void take(long bytes) {
            held.addAndGet(bytes);
        }

        @Override
        public void add(long bytes) {
            held.addAndGet(bytes);
        }
    };

    @Test
    void whatWaitsForItsReaderCounts() {
        var queue = new EventQueue<RelayEvent>(finished -> finished, () -> {}, () -> {}, () -> {});
        var chunk = new RelayEvent.Chunk("x".repeat(CHARACTERS), false);
        queue.add(chunk);
        queue.countIn(memory);
        queue.add(chunk);
        assertTrue(held.get() >= 2 * 2 * CHARACTERS, held + " bytes");
        assertEquals(chunk, queue.next());
        assertEquals(chunk, queue.next());
        assertEquals(0, held.get());
    }
}
