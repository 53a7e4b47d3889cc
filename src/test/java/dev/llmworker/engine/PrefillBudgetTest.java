package dev.llmworker.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.model.decoder.PromptSizes;
import org.junit.jupiter.api.Test;

class PrefillBudgetTest {
    private static final long MILLISECOND = 1_000_000;

    private final PrefillBudget pace = new PrefillBudget(PromptSizes.OF_CPU);

    @Test
    void beforeAnythingIsMeasuredAStepGoesWithoutAndThenTakesTheFewest() {
        assertEquals(0, pace.tokens(4));
        pace.stepTook(4, 0, 100 * MILLISECOND);
        assertEquals(16, pace.tokens(4));
        assertEquals(16, pace.tokens(9), "no step of so many rows is known, but one of fewer");
    }

    @Test
    void whatGoesWithAStepAddsAtMostHalfOfIt() {
        pace.stepTook(8, 0, 40 * MILLISECOND);
        pace.stepTook(8, 16, 48 * MILLISECOND);
        assertEquals(32, pace.tokens(8), "twice 8 ms are less than half of 40");
        pace.stepTook(8, 32, 51 * MILLISECOND);
        assertEquals(32, pace.tokens(8), "twice 11 ms are more");
        pace.stepTook(8, 32, 41 * MILLISECOND);
        assertEquals(64, pace.tokens(8), "the average of 32 is 8.5 ms now");
    }

    @Test
    void aDecoderThatGainsLittleByManyRowsTakesFewerBesideOne() {
        var fine = new PrefillBudget(new PromptSizes(4, 128, 128, 1));
        fine.stepTook(1, 0, 5 * MILLISECOND);
        assertEquals(4, fine.tokens(1));
        fine.stepTook(1, 4, 8 * MILLISECOND);
        assertEquals(4, fine.tokens(1), "8 are taken for 6 ms more, and that is more than half of 5");
        fine.stepTook(16, 0, 30 * MILLISECOND);
        assertEquals(16, fine.tokens(16));
    }

    @Test
    void stepsOfFewerRowsAreShorterAndTakeFewer() {
        pace.stepTook(32, 0, 200 * MILLISECOND);
        pace.stepTook(32, 128, 290 * MILLISECOND);
        assertEquals(128, pace.tokens(32));
        pace.stepTook(2, 0, 10 * MILLISECOND);
        assertEquals(16, pace.tokens(2));
        assertEquals(128, pace.tokens(32));
    }

    @Test
    void aPlainStepIsTakenNowAndThen() {
        pace.stepTook(8, 0, 40 * MILLISECOND);
        int steps = 0;
        while (pace.tokens(8) > 0) {
            pace.stepTook(8, 16, 60 * MILLISECOND);
            steps++;
        }
        assertEquals(PrefillBudget.STEPS_PER_PLAIN, steps);
        pace.stepTook(8, 0, 40 * MILLISECOND);
        assertTrue(pace.tokens(8) > 0);
    }

    @Test
    void aSizeThatWasSlowOnceIsTriedAgain() {
        pace.stepTook(8, 0, 40 * MILLISECOND);
        pace.stepTook(8, 16, 48 * MILLISECOND);
        pace.stepTook(8, 32, 100 * MILLISECOND);
        assertEquals(16, pace.tokens(8));
        int tries = 0;
        while (pace.tokens(8) == 16) {
            tries++;
            assertTrue(tries < 370, "32 is never tried again");
        }
        // It takes 60 ms and may take 20: a third is left of it after 366 steps.
        assertTrue(tries > 360, "32 is tried again after " + tries + " steps");
        assertEquals(32, pace.tokens(8));
        pace.stepTook(8, 32, 100 * MILLISECOND);
        assertEquals(16, pace.tokens(8), "it is as slow as it was");
    }

    @Test
    void noSizeIsTriedWhileASmallerOneIsTooSlow() {
        pace.stepTook(8, 0, 40 * MILLISECOND);
        pace.stepTook(8, 128, 300 * MILLISECOND);
        assertEquals(16, pace.tokens(8), "as no other is known");
        for (int step = 0; step < 10_000; step++) {
            int tokens = pace.tokens(8);
            assertTrue(tokens <= 32, tokens + " tokens in step " + step);
            pace.stepTook(8, tokens, (40 + tokens) * MILLISECOND);
        }
    }
}
