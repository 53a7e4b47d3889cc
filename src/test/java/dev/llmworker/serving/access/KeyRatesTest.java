package dev.llmworker.serving.access;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.RefusedException;
import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What a key's limits let in, by a clock that the test moves.
class KeyRatesTest {
    private static final String TEXT = "the-first-key-of-all";
    private static final ApiKey KEY = ApiKey.of(TEXT);

    @TempDir
    private Path folder;

    private Path file;
    private ApiKeys keys;
    private KeyRates rates;
    // As System.nanoTime, which may be below zero.
    private long nowNanos = -Duration.ofDays(1).toNanos();

    @BeforeEach
    void choose() throws Exception {
        file = Files.writeString(folder.resolve("keys"), "# none yet");
        keys = ApiKeys.of(null, file);
        rates = new KeyRates(keys, () -> nowNanos);
    }

    private void limits(String... lines) throws Exception {
        Files.writeString(file, String.join("\n", lines));
        // A change counts when it is found twice.
        keys.refresh();
        keys.refresh();
    }

    private void pass(double seconds) {
        nowNanos += (long) (seconds * 1e9);
    }

    private KeyRates.Use enter(long prompt, long answer) {
        // A request without any tokens generates nothing.
        return rates.enter(KEY, true, prompt, answer, prompt + answer > 0 ? 1 : 0);
    }

    /// A request with so many tokens, from its beginning to its end.
    private KeyRates.Use served(int prompt, int completion) {
        var use = enter(prompt, completion);
        assertNull(use.refusal());
        use.accepted(prompt);
        use.finished(prompt, completion);
        use.close();
        return use;
    }

    private RefusedException refused(long prompt, long answer) {
        try (var use = enter(prompt, answer)) {
            var refusal = use.refusal();
            assertNotNull(refusal);
            assertEquals(RefusedException.Reason.LIMITED, refusal.reason());
            return refusal;
        }
    }

    @Test
    void requestsComeBackEvenlyInAMinute() throws Exception {
        limits(TEXT + " requests_per_minute=3");
        for (var left = 2; left >= 0; left--) {
            assertEquals(
                    Map.of(
                            "x-ratelimit-limit-requests",
                            "3",
                            "x-ratelimit-remaining-requests",
                            "" + left,
                            "x-ratelimit-reset-requests",
                            left == 0 ? "1m0s" : 20 * (3 - left) + "s"),
                    served(1, 1).headers());
        }
        var refusal = refused(1, 1);
        assertEquals("requests_per_minute_used_up", refusal.code());
        assertEquals(
                "this API key has used up its requests_per_minute, which is 3; try again in 20 s",
                refusal.getMessage());
        assertEquals(20, refusal.retryAfterSeconds());
        pass(19.5);
        assertEquals(1, refused(1, 1).retryAfterSeconds());
        pass(0.5);
        served(1, 1);
        refused(1, 1);
        pass(3600);
        for (var i = 0; i < 3; i++) {
            served(1, 1);
        }
        refused(1, 1);
    }

    @Test
    void whoComesWhenRetryAfterSaysSoIsLetIn() throws Exception {
        limits(TEXT + " requests_per_minute=7 tokens_per_minute=1000");
        for (var i = 0; i < 50; i++) {
            try (var use = enter(100, 333)) {
                var refusal = use.refusal();
                if (refusal == null) {
                    use.accepted(100);
                    use.finished(100, 333);
                } else {
                    pass(refusal.retryAfterSeconds());
                    served(100, 333);
                }
            }
        }
    }

    @Test
    void tokensAreThoseOfThePromptAndTheAnswer() throws Exception {
        limits(TEXT + " tokens_per_minute=600");
        var use = enter(100, 50);
        assertEquals("450", use.headers().get("x-ratelimit-remaining-tokens"));
        assertEquals("15s", use.headers().get("x-ratelimit-reset-tokens"));
        assertNull(use.headers().get("x-ratelimit-limit-requests"));
        // It has fewer than expected.
        use.accepted(90);
        use.finished(90, 10);
        use.close();
        assertEquals("400", enter(100, 0).headers().get("x-ratelimit-remaining-tokens"), "what runs is counted");
    }

    @Test
    void anAnswerThatIsLongerThanWhatIsLeftIsPaidForByTheNextRequest() throws Exception {
        limits(TEXT + " tokens_per_minute=600");
        var use = enter(100, 100);
        use.accepted(100);
        for (var token = 0; token < 1000; token++) {
            use.generated();
        }
        var refusal = refused(10, 90);
        assertEquals("tokens_per_minute_used_up", refusal.code());
        assertEquals(
                "the request needs about 100 tokens, and 0 of this API key's tokens_per_minute, which is 600, are left;"
                        + " try again in 60 s",
                refusal.getMessage());
        use.finished(100, 1000);
        use.close();
        assertEquals(60, refused(10, 90).retryAfterSeconds());
        pass(60);
        served(10, 90);
    }

    @Test
    void aRequestThatNeedsMoreThanTheLimitIsLetInIfNothingIsUsed() throws Exception {
        limits(TEXT + " tokens_per_minute=10");
        var use = enter(500, 100);
        assertNull(use.refusal());
        assertEquals("0", use.headers().get("x-ratelimit-remaining-tokens"));
        use.accepted(500);
        use.finished(500, 100);
        use.close();
        assertEquals(3546, refused(1, 0).retryAfterSeconds());
    }

    @Test
    void whatIsNotAcceptedIsNotCounted() throws Exception {
        limits(TEXT + " requests_per_minute=1 tokens_per_minute=100 concurrent=1");
        for (var i = 0; i < 5; i++) {
            var use = enter(50, 50);
            assertNull(use.refusal());
            use.close();
            use.close();
        }
        served(50, 50);
        refused(50, 50);
    }

    @Test
    void answersUnderWayAreLimited() throws Exception {
        limits(TEXT + " concurrent=2");
        var first = enter(1, 1);
        var second = enter(1, 1);
        var refusal = refused(1, 1);
        assertEquals("concurrent_used_up", refusal.code());
        assertEquals(
                "2 answers for this API key are under way, and its limit (concurrent) is 2; try again in 1 s",
                refusal.getMessage());
        // What generates nothing is no answer.
        served(0, 0);
        // Further answers to a request that is let in count, and are not refused.
        var more = rates.enter(KEY, false, 0, 1, 1);
        assertNull(more.refusal());
        first.close();
        refused(1, 1);
        second.close();
        var third = enter(1, 1);
        assertNull(third.refusal());
        more.close();
        third.close();
    }

    @Test
    void furtherAnswersToARequestAreNoRequests() throws Exception {
        limits(TEXT + " requests_per_minute=1 tokens_per_minute=100");
        var first = served(10, 10);
        for (var i = 0; i < 3; i++) {
            try (var more = rates.enter(KEY, false, 0, 10, 1)) {
                assertNull(more.refusal());
                assertEquals(Map.of(), more.headers());
                more.accepted(10);
                more.finished(0, 10);
            }
        }
        assertEquals("80", first.headers().get("x-ratelimit-remaining-tokens"));
        pass(60);
        served(1, 1);
        limits(TEXT + " tokens_per_minute=100");
        pass(30);
        for (var i = 0; i < 4; i++) {
            try (var more = rates.enter(KEY, false, 0, 10, 1)) {
                more.accepted(10);
                more.finished(0, 10);
            }
        }
        assertEquals("59", served(1, 0).headers().get("x-ratelimit-remaining-tokens"), "their prompt is not theirs");
    }

    @Test
    void keysHaveTheirOwnCountsAndOthersHaveNone() throws Exception {
        limits(TEXT + " requests_per_minute=1", "the-second-key-of-all requests_per_minute=1", "the-third-key-of-all");
        served(1, 1);
        refused(1, 1);
        try (var other = rates.enter(ApiKey.of("the-second-key-of-all"), true, 1, 1, 1)) {
            assertNull(other.refusal());
        }
        for (var i = 0; i < 100; i++) {
            try (var other = rates.enter(ApiKey.of("the-third-key-of-all"), true, 1 << 20, 1 << 20, 1);
                    var none = rates.enter(null, true, 1 << 20, 1 << 20, 1)) {
                assertNull(other.refusal());
                assertNull(none.refusal());
                assertEquals(Map.of(), other.headers());
                other.accepted(1);
            }
        }
    }

    @Test
    void aNewVersionOfTheFileKeepsTheCounts() throws Exception {
        limits(TEXT + " requests_per_minute=2 tokens_per_minute=1000");
        served(100, 100);
        served(100, 100);
        limits(
                "# the same, and another key",
                TEXT + " requests_per_minute=2 tokens_per_minute=1000",
                "another-key-of-all");
        refused(1, 1);
        limits(TEXT + " requests_per_minute=4 tokens_per_minute=1000");
        var use = served(0, 0);
        assertEquals("1", use.headers().get("x-ratelimit-remaining-requests"));
        assertEquals("600", use.headers().get("x-ratelimit-remaining-tokens"));
        limits("another-key-of-all");
        pass(0.001);
        limits(TEXT + " requests_per_minute=3 tokens_per_minute=1000");
        refused(1, 1);
    }

    /// It neither empties what others have used since, nor is its own count lost.
    @Test
    void anAnswerThatBeganWithoutLimitsKeepsTheCounts() throws Exception {
        limits(TEXT);
        var old = enter(10, 1);
        old.accepted(10);
        limits(TEXT + " requests_per_minute=10 tokens_per_minute=1000");
        served(480, 480);
        for (var token = 0; token < 20; token++) {
            old.generated();
        }
        assertEquals("tokens_per_minute_used_up", refused(50, 50).code());
        old.finished(10, 25);
        old.close();
        assertEquals("4", enter(1, 0).headers().get("x-ratelimit-remaining-tokens"));
    }

    @Test
    void answersThatAnotherServerMakesTogetherAllCount() throws Exception {
        limits(TEXT + " concurrent=3");
        var several = rates.enter(KEY, true, 1, 8, 4);
        assertNull(several.refusal());
        assertEquals(
                "4 answers for this API key are under way, and its limit (concurrent) is 3; try again in 1 s",
                refused(1, 1).getMessage());
        several.close();
        served(1, 1);
    }

    @Test
    void whatGeneratesNothingNeedsNoTokens() throws Exception {
        limits(TEXT + " requests_per_minute=3 tokens_per_minute=10");
        served(100, 100);
        refused(1, 1);
        served(0, 0);
        served(0, 0);
        assertEquals("requests_per_minute_used_up", refused(0, 0).code());
    }

    @Test
    void thereAreNoMoreCountsThanKeysThatWereUsedLately() throws Exception {
        limits(TEXT + " requests_per_minute=2");
        for (var i = 0; i < 10_000; i++) {
            try (var use = rates.enter(ApiKey.of("key-" + i), true, 1, 1, 1)) {
                use.accepted(1);
            }
            pass(0.1);
        }
        assertTrue(rates.size() < 1500, rates.size() + " counts");
    }

    /// No order of requests gets more than the limit and what comes back in the time.
    @Seeded
    @RepeatedTest(20)
    void noMoreIsUsedThanTheLimitAllows(RepetitionInfo repetition) throws Exception {
        var seed = Seeds.seed(repetition);
        var random = new Random(seed);
        var perMinute = 1 + random.nextInt(100);
        limits(TEXT + " requests_per_minute=" + perMinute);
        var begun = nowNanos;
        var served = 0;
        for (var i = 0; i < 2000; i++) {
            try (var use = enter(1, 1)) {
                if (use.refusal() == null && random.nextInt(5) > 0) {
                    use.accepted(1);
                    served++;
                }
            }
            pass(random.nextDouble() * random.nextDouble() * 4);
            var most = perMinute + (nowNanos - begun) / 60e9 * perMinute;
            assertTrue(served <= most + 1e-3, "seed " + seed + ": " + served + " of " + most);
        }
        assertTrue(served > perMinute, "seed " + seed);
    }

    @Test
    void aTimeIsWrittenAsOpenAiDoes() {
        var written = Map.of(
                0L,
                "0ms",
                17L,
                "17ms",
                1000L,
                "1s",
                1500L,
                "1.5s",
                90_951L,
                "1m30.951s",
                360_000L,
                "6m0s",
                3_600_000L,
                "1h0m0s",
                7_260_010L,
                "2h1m0.01s");
        written.forEach((millis, text) -> assertEquals(text, KeyRates.written(Duration.ofMillis(millis))));
    }
}
