package dev.llmworker.child;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ChildLifeTest {
    private static final ChildServer.Limits LIMITS =
            ChildServer.Limits.of(Duration.ofSeconds(100), Duration.ofSeconds(10));

    private static ChildLife looked(ChildLife life, int seconds, boolean isReady, long heard) {
        return life.looked(Duration.ofSeconds(seconds).toNanos(), isReady, heard);
    }

    @Test
    void aServerMustBeReadyInTime() {
        var life = ChildLife.first().begun();
        life = looked(life, 99, false, 0);
        assertNull(life.fault(LIMITS));
        life = looked(life, 1, false, 0);
        assertEquals("was not ready after 100 s", life.fault(LIMITS));
        assertNull(life.begun().fault(LIMITS));
    }

    @Test
    void aServerThatWasReadyMustBeHeard() {
        var life = looked(looked(ChildLife.first().begun(), 90, false, 0), 1, true, 1);
        // A failed check alone is no fault, and no start again.
        life = looked(life, 9, false, 1);
        assertNull(life.fault(LIMITS));
        // Bytes of an answer, or a check that passed.
        life = looked(life, 1, false, 2);
        life = looked(life, 9, false, 2);
        assertNull(life.fault(LIMITS));
        life = looked(life, 1, false, 2);
        assertEquals("hangs: it passed no health check and sent nothing for 10 s", life.fault(LIMITS));
        assertNull(life.begun().fault(LIMITS));
    }

    @Test
    void pausesDoubleUntilAServerHasBeenReadyForAWhile() {
        var life = ChildLife.first();
        var pauses = new ArrayList<Long>();
        for (var i = 0; i < 8; i++) {
            assertEquals(i >= 3, life.isFailing(LIMITS));
            life = looked(life.begun(), 1, i % 2 == 0, i).died(LIMITS);
            pauses.add(life.pause(LIMITS).toSeconds());
        }
        assertEquals(List.of(1L, 2L, 4L, 8L, 16L, 32L, 60L, 60L), pauses);
        life = looked(looked(life.begun(), 1, true, 1), 59, true, 2).died(LIMITS);
        assertTrue(life.isFailing(LIMITS));
        life = looked(looked(life.begun(), 1, true, 1), 60, true, 2).died(LIMITS);
        assertFalse(life.isFailing(LIMITS));
        assertEquals(Duration.ofSeconds(1), life.pause(LIMITS));
        for (var i = 0; i < 200; i++) {
            life = life.begun().died(LIMITS);
        }
        assertEquals(Duration.ofSeconds(60), life.pause(LIMITS));
    }
}
