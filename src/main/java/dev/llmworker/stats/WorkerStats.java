package dev.llmworker.stats;

import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;

/// Counts what the worker does. Reasons are in snake case, as in the metrics.
///
/// Threading: any thread.
public final class WorkerStats {
    private final KeyStats keys = new KeyStats();
    private final LongAdder requests = new LongAdder();
    private final LongAdder promptTokens = new LongAdder();
    private final LongAdder generatedTokens = new LongAdder();
    private final LongAdder wastedTokens = new LongAdder();
    private final AtomicLong runningGenerations = new AtomicLong();
    private final AtomicLong webSockets = new AtomicLong();
    private final LongAdder webSocketsOpened = new LongAdder();
    private final Map<String, LongAdder> refused =
            counters("invalid", "too_large", "loading", "overloaded", "limited", "failed");
    private final Map<String, LongAdder> finished =
            counters("stop", "tool_calls", "content_filter", "length", "cancelled", "timeout", "error");
    private final GenerationStats generations = new GenerationStats();
    private final EngineStats engine = new EngineStats();

    /// The counts by API key.
    public KeyStats keys() {
        return keys;
    }

    /// A generation was submitted. It may still be refused.
    public void recordSubmitted() {
        runningGenerations.incrementAndGet();
    }

    /// A submitted generation was accepted.
    public void recordAccepted() {
        requests.increment();
    }

    /// A submitted generation was refused.
    public void recordWithdrawn() {
        runningGenerations.decrementAndGet();
    }

    public void recordRefused(String reason) {
        refused.computeIfAbsent(reason, _ -> new LongAdder()).increment();
    }

    /// An accepted generation has ended.
    public void recordFinished(FinishedGeneration ended) {
        runningGenerations.decrementAndGet();
        promptTokens.add(ended.promptTokens());
        generatedTokens.add(ended.completionTokens());
        wastedTokens.add(ended.wastedTokens());
        finished.computeIfAbsent(ended.reason(), _ -> new LongAdder()).increment();
        generations.record(ended);
    }

    public void recordWebSocketOpened() {
        webSockets.incrementAndGet();
        webSocketsOpened.increment();
    }

    public void recordWebSocketClosed() {
        webSockets.decrementAndGet();
    }

    public EngineStats engine() {
        return engine;
    }

    GenerationStats generations() {
        return generations;
    }

    /// How many generations were accepted since the start.
    public long requests() {
        return requests.sum();
    }

    public long refused(String reason) {
        return sum(refused, reason);
    }

    public long finished(String reason) {
        return sum(finished, reason);
    }

    public long promptTokens() {
        return promptTokens.sum();
    }

    public long generatedTokens() {
        return generatedTokens.sum();
    }

    public long wastedTokens() {
        return wastedTokens.sum();
    }

    /// How many generations wait or run now.
    public long runningGenerations() {
        return runningGenerations.get();
    }

    /// How many WebSocket connections are open now.
    public long webSockets() {
        return webSockets.get();
    }

    long webSocketsOpened() {
        return webSocketsOpened.sum();
    }

    /// How many generations were refused since the start, by reason, including reasons that did not occur.
    Map<String, Long> refused() {
        return sums(refused);
    }

    /// How many generations ended since the start, by reason, including reasons that did not occur.
    Map<String, Long> finished() {
        return sums(finished);
    }

    private static Map<String, LongAdder> counters(String... reasons) {
        var counters = new ConcurrentHashMap<String, LongAdder>();
        for (var reason : reasons) {
            counters.put(reason, new LongAdder());
        }
        return counters;
    }

    private static Map<String, Long> sums(Map<String, LongAdder> counters) {
        var sums = new TreeMap<String, Long>();
        counters.forEach((reason, counter) -> sums.put(reason, counter.sum()));
        return sums;
    }

    private static long sum(Map<String, LongAdder> counters, String reason) {
        var counter = counters.get(reason);
        return counter == null ? 0 : counter.sum();
    }
}
