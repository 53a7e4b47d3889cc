package dev.llmworker.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;

class StopMatcherTest {
    /// Few letters, so that stop sequences overlap, repeat and nearly match all the time.
    private static String any(Random random, int maxLength) {
        var text = new StringBuilder();
        for (var i = 1 + random.nextInt(maxLength); i > 0; i--) {
            text.append((char) ('a' + random.nextInt(3)));
        }
        return text.toString();
    }

    /// By the definition: the first place where a stop sequence is complete, and the longest that is complete there.
    private static int begin(String text, List<String> stops) {
        for (var end = 1; end <= text.length(); end++) {
            var head = text.substring(0, end);
            var longest = stops.stream()
                    .filter(head::endsWith)
                    .mapToInt(String::length)
                    .max();
            if (longest.isPresent()) {
                return end - longest.getAsInt();
            }
        }
        return -1;
    }

    @Seeded
    @RepeatedTest(40)
    void anyCutOfATextEndsAtTheSamePlaceAndShowsNoPartOfAStop(RepetitionInfo repetition) {
        var seed = Seeds.seed(repetition);
        var random = new Random(seed);
        for (var round = 0; round < Seeds.rounds(200); round++) {
            var stops = new ArrayList<String>();
            for (var i = 1 + random.nextInt(4); i > 0; i--) {
                stops.add(any(random, 6));
            }
            var text = any(random, 60);
            var where = "seed " + seed + " round " + round + ": " + text + " stops at " + stops;
            var begin = begin(text, stops);
            var matcher = new StopMatcher(stops);
            var stopped = false;
            var shown = 0L;
            for (var at = 0; at < text.length() && !stopped; ) {
                var end = Math.min(text.length(), at + random.nextInt(6));
                stopped = matcher.push(text.substring(at, end), true);
                assertTrue(matcher.safe() >= shown, where + ": what was shown is taken back");
                shown = matcher.safe();
                assertTrue(begin < 0 || shown <= begin, where + ": shows " + shown);
                assertTrue(end - shown < 6 || stopped, where + ": holds back more than a stop sequence");
                at = end;
            }
            assertEquals(begin >= 0, stopped, where);
            if (stopped) {
                assertEquals(begin, shown, where);
            }
        }
    }

    @Test
    void textIsHeldBackNoLongerThanItMayBeAPartOfAStop() {
        var matcher = new StopMatcher(List.of("\n\nUser:"));
        assertFalse(matcher.push("hello\n", true));
        assertEquals(5, matcher.safe());
        assertFalse(matcher.push("\nUs", true));
        assertEquals(5, matcher.safe());
        assertFalse(matcher.push("e it", true));
        assertEquals(13, matcher.safe());
    }

    @Test
    void theLongestOfThoseThatEndTogetherIsFound() {
        var matcher = new StopMatcher(List.of("b", "aab", "ab", "x"));
        assertNull(matcher.found());
        assertTrue(matcher.push("aab", true));
        assertEquals("aab", matcher.found());
    }

    @Test
    void aStopThatMayNotEndTheTextYetIsPassedOver() {
        var matcher = new StopMatcher(List.of("aba"));
        assertFalse(matcher.push("xaba", false));
        assertEquals(3, matcher.safe(), "the last a may begin another");
        assertNull(matcher.found());
        assertTrue(matcher.push("ba", true));
        assertEquals("aba", matcher.found());
        assertEquals(3, matcher.safe());
    }
}
