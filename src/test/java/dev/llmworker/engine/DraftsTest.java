package dev.llmworker.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class DraftsTest {
    private final Drafts drafts = new Drafts();

    private int[] guess(int[] ids, int count) {
        drafts.look(ids, ids.length);
        return drafts.tokens(ids, count);
    }

    @Test
    void whatFollowedTheSameTokensIsGuessed() {
        assertArrayEquals(new int[] {4, 5}, guess(new int[] {9, 1, 2, 3, 4, 5, 6, 7, 1, 2, 3}, 2));
    }

    @Test
    void twoTokensAlikeAreNotEnough() {
        assertEquals(0, guess(new int[] {9, 2, 3, 4, 5, 6, 7, 1, 2, 3}, 2).length);
        assertEquals(0, drafts.rightShare());
    }

    @Test
    void theLongestMatchGoesBeforeALaterOne() {
        assertArrayEquals(new int[] {5}, guess(new int[] {1, 2, 3, 4, 5, 9, 2, 3, 4, 6, 8, 1, 2, 3, 4}, 1));
    }

    @Test
    void aTextThatRepeatsItselfIsContinuedBeyondItsEnd() {
        assertArrayEquals(new int[] {1, 2, 1, 2, 1}, guess(new int[] {1, 2, 1, 2, 1, 2}, 5));
    }

    @Test
    void itLearnsFromWhatItOnlyWouldHaveGuessed() {
        var source = new Random(1).ints(200, 0, 1000).toArray();
        var ids = IntStream.concat(Arrays.stream(source), Arrays.stream(source)).toArray();
        for (int length = 200; length <= 260; length++) {
            drafts.look(ids, length);
        }
        assertTrue(drafts.rightShare() > 0.95, drafts.rightShare() + " of right guesses");
        assertArrayEquals(Arrays.copyOfRange(ids, 260, 275), drafts.tokens(ids, 15));

        // From now on each fourth token is another one: short matches whose guesses are wrong as often as they are
        // right.
        for (int i = 260; i < 400; i += 4) {
            ids[i] = 1000 + i;
        }
        for (int length = 261; length <= 400; length++) {
            drafts.look(ids, length);
        }
        assertTrue(drafts.rightShare() < 0.6, drafts.rightShare() + " of right guesses");
    }
}
