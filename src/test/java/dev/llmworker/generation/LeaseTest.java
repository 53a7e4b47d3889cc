package dev.llmworker.generation;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class LeaseTest {
    private final AtomicInteger givenBack = new AtomicInteger();

    @Test
    void aThrowGivesItBackOnce() {
        assertThrows(IllegalStateException.class, () -> {
            try (var lease = Lease.of(givenBack::incrementAndGet)) {
                lease.close();
                throw new IllegalStateException("a bug");
            }
        });
        assertEquals(1, givenBack.get());
    }

    @Test
    void itsOwnerGivesItBackAndNobodyElse() {
        Lease owned;
        try (var lease = Lease.of(givenBack::incrementAndGet)) {
            owned = lease.handOver();
        }
        assertEquals(0, givenBack.get());
        owned.close();
        owned.close();
        assertEquals(1, givenBack.get());
    }

    @Test
    void whatIsKeptIsNotGivenBack() {
        try (var lease = Lease.of(givenBack::incrementAndGet)) {
            lease.keep();
        }
        assertEquals(0, givenBack.get());
    }
}
