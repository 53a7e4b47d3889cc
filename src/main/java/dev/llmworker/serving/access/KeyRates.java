package dev.llmworker.serving.access;

import dev.llmworker.generation.RefusedException;
import dev.llmworker.generation.Share;
import dev.llmworker.stats.Count;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// Counts what each API key uses against its [KeyLimits].
///
/// What a key uses of a limit goes into a bucket of that size, which empties evenly: a full one within a minute. So a
/// key may use all of its limit at once, and then as much as has run out. An answer takes an estimate of its tokens at
/// first, and the count is corrected while the tokens come. An answer that has more tokens than are left goes on, and
/// the next request waits until they have run out.
///
/// Counts are kept by the hash of a key, so that a new version of the file changes none of them. A count is
/// dropped once it is empty, so there are never more than keys that were used lately.
///
/// Threading: any thread; it never waits.
public final class KeyRates {
    private static final double MINUTE_NANOS = 60e9;
    private static final long MINUTE_MILLIS = 60_000;
    private static final int MINUTE_SECONDS = 60;
    private static final long SECOND_MILLIS = 1000;
    /// Two sums of parts of tokens that should be equal may differ by this.
    private static final double ROUNDING = 1e-6;

    private final ApiKeys keys;
    private final LongSupplier clock;
    private final Map<ApiKey, Counts> counts = new HashMap<>();
    private long sweptNanos;

    /// @param clock in nanoseconds
    public KeyRates(ApiKeys keys, LongSupplier clock) {
        this.keys = keys;
        this.clock = clock;
        this.sweptNanos = clock.getAsLong();
    }

    /// Whose request one with this key is, with the key's weight.
    public Share share(@Nullable ApiKey key) {
        return key == null ? Share.NONE : new Share(key.hash(), keys.limits(key).priority());
    }

    /// An answer is about to be made.
    ///
    /// @param key null for none, which has no limits
    /// @param isRequest whether the key's limits decide about it; false for a further answer to a request that
    ///     they have let in
    /// @param promptTokens about how many tokens its prompt has; 0 if the prompt counts with another answer
    /// @param answerTokens how many tokens the answer is expected to have; 0 if it is vectors of texts
    /// @param answers more than 1 if another server makes several; 0 for a request that generates nothing itself
    public synchronized Use enter(
            @Nullable ApiKey key, boolean isRequest, long promptTokens, long answerTokens, int answers) {
        if (key == null) {
            return new Use(new Counts(clock.getAsLong()), false, 0, 0, answers);
        }
        forgetEmpty();
        var own = counts.computeIfAbsent(key, _ -> new Counts(clock.getAsLong()));
        own.limits = keys.limits(key);
        return new Use(own, isRequest, promptTokens, answerTokens, answers);
    }

    private void forgetEmpty() {
        var now = clock.getAsLong();
        if (now - sweptNanos >= MINUTE_NANOS) {
            sweptNanos = now;
            counts.entrySet().removeIf(entry -> entry.getValue().isEmpty(now));
        }
    }

    synchronized int size() {
        return counts.size();
    }

    /// What one key has used.
    private static final class Counts {
        final Bucket requests;
        final Bucket tokens;
        /// The newest; a key that the file has no more may come back.
        KeyLimits limits = KeyLimits.NONE;

        int running;

        Counts(long now) {
            requests = new Bucket(now);
            tokens = new Bucket(now);
        }

        boolean isEmpty(long now) {
            return running == 0
                    && requests.usedAt(now, limits.requestsPerMinute()) < ROUNDING
                    && tokens.usedAt(now, limits.tokensPerMinute()) < ROUNDING;
        }
    }

    /// Holds what was used of a limit, and empties evenly.
    private static final class Bucket {
        private double used;
        private long countedNanos;

        Bucket(long now) {
            countedNanos = now;
        }

        /// @param limit of a minute; null for none
        double usedAt(long now, @Nullable Integer limit) {
            if (limit == null) {
                used = 0;
            } else {
                used = Math.max(0, used - (now - countedNanos) / MINUTE_NANOS * limit);
            }
            countedNanos = now;
            return used;
        }

        void add(double amount, long now, @Nullable Integer limit) {
            used = Math.max(0, usedAt(now, limit) + amount);
        }
    }

    /// What one answer uses. If it is closed without having been accepted, it has used nothing.
    ///
    /// Threading: any thread.
    public final class Use implements AutoCloseable {
        private final Counts own;
        private final boolean isRequest;
        private final int answers;
        private final @Nullable RefusedException refusal;
        private final Map<String, String> headers = new LinkedHashMap<>();
        private long promptTokens;
        private long generated;
        private long counted;
        private boolean accepted;
        private boolean closed;

        private Use(Counts own, boolean isRequest, long promptTokens, long answerTokens, int answers) {
            this.own = own;
            this.isRequest = isRequest;
            this.answers = answers;
            var limits = own.limits;
            this.promptTokens = promptTokens;
            // A bucket that is empty lets every request in.
            var most = limits.tokensPerMinute() == null ? Integer.MAX_VALUE : limits.tokensPerMinute();
            var expected = Math.min(promptTokens + answerTokens, most);
            var now = clock.getAsLong();
            refusal = isRequest ? refusal(expected, now) : null;
            closed = refusal != null;
            if (!closed) {
                own.running += answers;
                own.requests.add(isRequest ? 1 : 0, now, limits.requestsPerMinute());
                own.tokens.add(expected, now, limits.tokensPerMinute());
                counted = expected;
            }
            if (isRequest) {
                describe("requests", limits.requestsPerMinute(), own.requests, now);
                describe("tokens", limits.tokensPerMinute(), own.tokens, now);
            }
        }

        /// Why the answer must not be made; null if it may.
        public @Nullable RefusedException refusal() {
            return refusal;
        }

        /// The headers of OpenAI's API that say what is left of each limit that the key has.
        public Map<String, String> headers() {
            return headers;
        }

        /// Of several limits that are used up, the one that takes the longest counts.
        private @Nullable RefusedException refusal(long tokens, long now) {
            var other = requestsRefusal(now);
            return answers == 0 ? other : longer(longer(concurrentRefusal(), other), tokensRefusal(tokens, now));
        }

        private static @Nullable RefusedException longer(
                @Nullable RefusedException first, @Nullable RefusedException second) {
            return first == null || second != null && second.retryAfterSeconds() > first.retryAfterSeconds()
                    ? second
                    : first;
        }

        private @Nullable RefusedException concurrentRefusal() {
            var most = own.limits.concurrent();
            if (most == null || own.running < most) {
                return null;
            }
            return limited(
                    "concurrent_used_up",
                    Count.of(own.running, "answer") + " for this API key " + (own.running == 1 ? "is" : "are")
                            + " under way, and its limit (concurrent) is " + most,
                    1);
        }

        private @Nullable RefusedException requestsRefusal(long now) {
            var most = own.limits.requestsPerMinute();
            var excess = most == null ? 0 : own.requests.usedAt(now, most) + 1 - most;
            if (most == null || excess <= ROUNDING) {
                return null;
            }
            return limited(
                    "requests_per_minute_used_up",
                    "this API key has used up its requests_per_minute, which is " + most,
                    seconds(excess, most));
        }

        private @Nullable RefusedException tokensRefusal(long tokens, long now) {
            var most = own.limits.tokensPerMinute();
            var excess = most == null ? 0 : own.tokens.usedAt(now, most) + tokens - most;
            if (most == null || excess <= ROUNDING) {
                return null;
            }
            return limited(
                    "tokens_per_minute_used_up",
                    "the request needs about " + Count.of(tokens, "token") + ", and " + left(own.tokens, most)
                            + " of this API key's tokens_per_minute, which is " + most + ", are left",
                    seconds(excess, most));
        }

        private static int seconds(double excess, int perMinute) {
            return (int) Math.clamp(Math.ceil(excess / perMinute * MINUTE_SECONDS - ROUNDING), 1, Integer.MAX_VALUE);
        }

        private static RefusedException limited(String code, String message, int seconds) {
            return new RefusedException(
                    RefusedException.Reason.LIMITED, code, message + "; try again in " + seconds + " s", seconds);
        }

        private static long left(Bucket bucket, int limit) {
            return (long) Math.max(0, limit - bucket.used + ROUNDING);
        }

        private void describe(String name, @Nullable Integer limit, Bucket bucket, long now) {
            if (limit != null) {
                var empty = Duration.ofMillis(Math.round(bucket.usedAt(now, limit) / limit * MINUTE_MILLIS));
                headers.put("x-ratelimit-limit-" + name, limit.toString());
                headers.put("x-ratelimit-remaining-" + name, Long.toString(left(bucket, limit)));
                headers.put("x-ratelimit-reset-" + name, written(empty));
            }
        }

        /// The answer is made.
        ///
        /// @param tokens how many its prompt has; 0 if that is not known yet
        public void accepted(long tokens) {
            synchronized (KeyRates.this) {
                accepted = true;
                // Without an estimate the prompt counts with another answer.
                promptTokens = tokens > 0 && promptTokens > 0 ? tokens : promptTokens;
                count(Math.max(counted, promptTokens + generated));
            }
        }

        /// A token was generated.
        public void generated() {
            synchronized (KeyRates.this) {
                generated++;
                count(Math.max(counted, promptTokens + generated));
            }
        }

        /// All tokens are known.
        ///
        /// @param prompt 0 if it is not known, or counts with another answer
        public void finished(long prompt, long completion) {
            synchronized (KeyRates.this) {
                promptTokens = prompt > 0 ? prompt : promptTokens;
                generated = completion;
            }
        }

        private void count(long tokens) {
            if (tokens != counted && !closed) {
                // The limits of now: those at its beginning may have been others.
                own.tokens.add(tokens - counted, clock.getAsLong(), own.limits.tokensPerMinute());
                counted = tokens;
            }
        }

        @Override
        public void close() {
            synchronized (KeyRates.this) {
                if (closed) {
                    return;
                }
                count(accepted ? promptTokens + generated : 0);
                if (!accepted && isRequest) {
                    own.requests.add(-1, clock.getAsLong(), own.limits.requestsPerMinute());
                }
                own.running -= answers;
                closed = true;
            }
        }
    }

    /// As OpenAI writes a time: `12ms`, `1.5s`, `6m0s`, `1h0m0s`.
    static String written(Duration time) {
        if (time.toMillis() < SECOND_MILLIS) {
            return time.toMillis() + "ms";
        }
        var text = new StringBuilder();
        if (time.toHours() > 0) {
            text.append(time.toHours()).append('h');
        }
        if (time.toMinutes() > 0) {
            text.append(time.toMinutesPart()).append('m');
        }
        var seconds = BigDecimal.valueOf(time.toMillis() % MINUTE_MILLIS, 3).stripTrailingZeros();
        return text.append(seconds.toPlainString()).append('s').toString();
    }
}
