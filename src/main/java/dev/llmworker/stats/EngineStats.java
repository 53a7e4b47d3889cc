package dev.llmworker.stats;

import java.util.concurrent.atomic.LongAdder;
import java.util.function.IntSupplier;

/// What the engine in this process does, as it says itself once a step.
///
/// Threading: the engine thread writes, any thread reads; nobody waits.
public final class EngineStats {
    private final LongAdder steps = new LongAdder();
    private final LongAdder busyNanos = new LongAdder();
    private final LongAdder reusedTokens = new LongAdder();
    private final LongAdder prefilledTokens = new LongAdder();
    private final LongAdder decodedTokens = new LongAdder();
    private volatile Description description = new Description("", "", "", 0, 0, 0, 0);
    private volatile IntSupplier waiting = () -> 0;
    private volatile int running;
    private volatile int cachePositions;

    /// What the engine is, and what it can hold.
    ///
    /// @param architecture of the model, as its file has it
    /// @param weightFormat how its weights lie on the device
    /// @param slots sequences decoded together
    /// @param contextLength positions of the cache for each slot
    /// @param queueLimit requests that may wait
    public record Description(
            String architecture,
            String weightFormat,
            String device,
            int slots,
            int contextLength,
            long cacheBytes,
            int queueLimit) {
        long cachePositions() {
            return (long) slots * contextLength;
        }
    }

    /// The engine is ready.
    ///
    /// @param waiting how many requests wait now; called by any thread
    public void recordReady(Description description, IntSupplier waiting) {
        this.description = description;
        this.waiting = waiting;
    }

    /// What is in the slots after a step.
    ///
    /// @param running sequences that have one
    /// @param cachePositions positions of the cache that are these sequences'
    public void recordHeld(int running, int cachePositions) {
        this.running = running;
        this.cachePositions = cachePositions;
    }

    /// One step has been made.
    public void recordStep(long nanos) {
        steps.increment();
        busyNanos.add(nanos);
    }

    /// Tokens went through the model: those of prompts, and those that were decoded.
    public void recordTokens(int prefilled, int decoded) {
        prefilledTokens.add(prefilled);
        decodedTokens.add(decoded);
    }

    /// So many positions of a prompt lay in the cache already.
    public void recordReused(int positions) {
        reusedTokens.add(positions);
    }

    Description description() {
        return description;
    }

    int waiting() {
        return waiting.getAsInt();
    }

    int running() {
        return running;
    }

    int cachePositions() {
        return cachePositions;
    }

    long steps() {
        return steps.sum();
    }

    double busySeconds() {
        return busyNanos.sum() / 1e9;
    }

    long reusedTokens() {
        return reusedTokens.sum();
    }

    long prefilledTokens() {
        return prefilledTokens.sum();
    }

    long decodedTokens() {
        return decodedTokens.sum();
    }
}
