package dev.llmworker.serving.connection;

import dev.llmworker.serving.access.Access;
import dev.llmworker.serving.access.PathRules;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.stats.Count;
import dev.llmworker.stats.WorkerStats;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// How the worker stops: it takes no more work, waits until what runs has come to its end, and ends what has not in
/// time. New requests get an error that asks the client to send them again, to another worker.
///
/// Threading: any thread.
public final class Drain {
    private static final Logger LOG = LoggerFactory.getLogger(Drain.class);
    private static final String CODE = "draining";
    private static final int RETRY_SECONDS = 1;
    private static final long LOOK_MILLIS = 20;
    /// For what is ended to tell its client so.
    private static final long LAST_WORDS_MILLIS = 2_000;

    private final Timeouts timeouts;
    private final WebSockets sockets;
    private final SlowSenders requests;
    private final PathRules rules;
    private final LongSupplier nanoClock;
    private final CountDownLatch hurried = new CountDownLatch(1);
    private volatile @Nullable WorkerStats stats;
    private volatile boolean begun;
    private volatile long begunNanos;
    private volatile boolean timeUp;

    public Drain(Timeouts timeouts, WebSockets sockets, SlowSenders requests, PathRules rules) {
        this(timeouts, sockets, requests, rules, System::nanoTime);
    }

    Drain(Timeouts timeouts, WebSockets sockets, SlowSenders requests, PathRules rules, LongSupplier nanoClock) {
        this.timeouts = timeouts;
        this.sockets = sockets;
        this.requests = requests;
        this.rules = rules;
        this.nanoClock = nanoClock;
    }

    public boolean hasBegun() {
        return begun;
    }

    /// Whether what still runs is ended now.
    public boolean isTimeUp() {
        return timeUp;
    }

    /// What is said of a prompt that comes now, and is counted.
    public JsonError refusal() {
        var counted = stats;
        if (counted != null) {
            counted.recordRefused(CODE);
        }
        return ofWork();
    }

    private static JsonError ofWork() {
        return new JsonError(
                503, CODE, "the worker is shutting down and takes no more requests; send it again", RETRY_SECONDS);
    }

    /// What is said in the place of the rest of an answer.
    public static JsonError cut() {
        return new JsonError(
                503,
                CODE,
                "the worker is shutting down, and the answer had no more time; send it again",
                RETRY_SECONDS);
    }

    /// The refusal of an HTTP request that comes now; null if it may go on.
    @Nullable
    public JsonError refusal(HttpServerRequest request) {
        if (!begun) {
            return null;
        }
        request.response().putHeader("Connection", "close");
        if (!Access.isHandshake(request) && rules.has(PathRules.Rule.SERVED_WHILE_DRAINING, request)) {
            return null;
        }
        var reads = request.method() == HttpMethod.GET || request.method() == HttpMethod.HEAD;
        // What is sent to be worked on is a prompt: no route has a look at it any more.
        return reads ? ofWork() : refusal();
    }

    /// What is left of the time to drain.
    public Duration timeLeft() {
        if (hurried.getCount() == 0) {
            return Duration.ZERO;
        }
        var taken = begun ? Duration.ofNanos(nanoClock.getAsLong() - begunNanos) : Duration.ZERO;
        var left = timeouts.drain().minus(taken);
        return left.isNegative() ? Duration.ZERO : left;
    }

    /// Waits no longer for what runs.
    public void hurry() {
        hurried.countDown();
    }

    /// Returns when nothing runs any more, or soon after its time is up. To call it again does nothing.
    ///
    /// @param cut ends the generations that run
    public void run(WorkerStats stats, Runnable cut) {
        if (begun) {
            return;
        }
        this.stats = stats;
        begunNanos = nanoClock.getAsLong();
        begun = true;
        sockets.leave();
        var running = stats.runningGenerations();
        if (running == 0) {
            LOG.info("stopping: no generation runs");
        } else {
            LOG.info(
                    "stopping: waiting up to {} s for {}",
                    timeouts.drain().toSeconds(),
                    Count.of(running, "generation"));
        }
        if (!awaitQuiet(stats, timeouts.drain().toMillis(), hurried)) {
            if (stats.runningGenerations() > 0) {
                LOG.warn("stopping: time is up for {}", Count.of(stats.runningGenerations(), "generation"));
            }
            timeUp = true;
            cut.run();
            awaitQuiet(stats, LAST_WORDS_MILLIS, new CountDownLatch(1));
        }
    }

    /// @param enough ends the waiting
    /// @return whether nothing runs any more
    private boolean awaitQuiet(WorkerStats stats, long limitMillis, CountDownLatch enough) {
        var end = nanoClock.getAsLong() + TimeUnit.MILLISECONDS.toNanos(limitMillis);
        try {
            while (!isQuiet(stats)) {
                if (nanoClock.getAsLong() - end >= 0 || enough.await(LOOK_MILLIS, TimeUnit.MILLISECONDS)) {
                    return isQuiet(stats);
                }
            }
            return true;
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    private boolean isQuiet(WorkerStats stats) {
        return stats.runningGenerations() == 0 && !requests.haveRequest() && sockets.isEmpty();
    }
}
