package dev.llmworker.stats;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;

/// Counts what the worker does. Reasons are in snake case, as metrics show them.
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
    private final Map<String, LongAdder> refused = new ConcurrentHashMap<>();
    private final Map<String, LongAdder> finished = new ConcurrentHashMap<>();

    /// What is counted by API key.
    public KeyStats keys() {
        return keys;
    }

    /// A generation waits or runs from now on; it may still be refused.
    public void recordSubmitted() {
        runningGenerations.incrementAndGet();
    }

    /// A generation that was submitted is served.
    public void recordAccepted() {
        requests.increment();
    }

    /// A generation that was submitted is refused after all.
    public void recordWithdrawn() {
        runningGenerations.decrementAndGet();
    }

    public void recordRefused(String reason) {
        refused.computeIfAbsent(reason, _ -> new LongAdder()).increment();
    }

    /// An accepted generation ended.
    public void recordFinished(String reason, int promptTokens, int completionTokens) {
        runningGenerations.decrementAndGet();
        this.promptTokens.add(promptTokens);
        generatedTokens.add(completionTokens);
        finished.computeIfAbsent(reason, _ -> new LongAdder()).increment();
    }

    /// Tokens were generated that no client was there to read.
    public void recordWasted(int tokens) {
        wastedTokens.add(tokens);
    }

    public void recordWebSocketOpened() {
        webSockets.incrementAndGet();
    }

    public void recordWebSocketClosed() {
        webSockets.decrementAndGet();
    }

    /// Generations accepted since the start.
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

    /// Generations that wait or run now.
    public long runningGenerations() {
        return runningGenerations.get();
    }

    /// WebSocket connections that are open now.
    public long webSockets() {
        return webSockets.get();
    }

    private static long sum(Map<String, LongAdder> counters, String reason) {
        var counter = counters.get(reason);
        return counter == null ? 0 : counter.sum();
    }
}
