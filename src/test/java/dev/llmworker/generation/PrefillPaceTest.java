package dev.llmworker.generation;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class PrefillPaceTest {
    private static final long MILLISECOND = 1_000_000;

    private final PrefillPace pace = new PrefillPace();

    @Test
    void beforeAnythingIsMeasuredTheSmallestChunkIsTaken() {
        assertEquals(16, pace.tokens());
        pace.stepTook(100 * MILLISECOND);
        assertEquals(16, pace.tokens());
    }

    @Test
    void aChunkTakesAtMostHalfOfAStep() {
        pace.stepTook(40 * MILLISECOND);
        pace.chunkTook(16, 8 * MILLISECOND);
        assertEquals(32, pace.tokens(), "twice 8 ms are less than half of 40");
        pace.chunkTook(32, 11 * MILLISECOND);
        assertEquals(32, pace.tokens(), "twice 11 ms are more");
        pace.chunkTook(32, MILLISECOND);
        assertEquals(64, pace.tokens(), "the average of 32 is 8.5 ms now");
    }

    @Test
    void shorterStepsMakeSmallerChunks() {
        pace.stepTook(200 * MILLISECOND);
        pace.chunkTook(128, 90 * MILLISECOND);
        assertEquals(128, pace.tokens());
        for (int i = 0; i < 10; i++) {
            pace.stepTook(10 * MILLISECOND);
        }
        assertEquals(16, pace.tokens());
    }

    @Test
    void aSizeThatWasSlowOnceIsTriedAgain() {
        pace.stepTook(40 * MILLISECOND);
        pace.chunkTook(16, 8 * MILLISECOND);
        pace.chunkTook(32, 60 * MILLISECOND);
        assertEquals(16, pace.tokens());
        int tries = 0;
        while (pace.tokens() == 16) {
            tries++;
            assertTrue(tries < 200, "32 is never tried again");
        }
        assertEquals(32, pace.tokens());
    }
}
