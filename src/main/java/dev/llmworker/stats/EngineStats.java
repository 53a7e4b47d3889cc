package dev.llmworker.stats;

import java.util.Map;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.IntSupplier;

/// The figures of this process's engine, updated once a step.
///
/// Threading: the engine thread writes, any thread reads; nobody waits.
public final class EngineStats {
    final LongAdder steps = new LongAdder();
    final LongAdder busyNanos = new LongAdder();
    final LongAdder reusedTokens = new LongAdder();
    final LongAdder prefilledTokens = new LongAdder();
    final LongAdder decodedTokens = new LongAdder();
    final LongAdder preemptions = new LongAdder();
    final LongAdder draftTokens = new LongAdder();
    final LongAdder acceptedDraftTokens = new LongAdder();
    final LongAdder restarts = new LongAdder();
    final LongAdder restoredPrefixes = new LongAdder();
    final LongAdder droppedPrefixes = new LongAdder();
    volatile Description description = new Description("", "", "", 0, 0, 0, 0, Map.of(), 0);
    private volatile IntSupplier waiting = () -> 0;
    volatile int running;
    volatile int cachePositions;
    volatile long evictedPrefixBytes;
    volatile long evictedPrefixMostBytes;

    /// The model's and the engine's properties and capacity.
    ///
    /// @param architecture the model's architecture, from its file
    /// @param weightFormat the format of the weights on the device
    /// @param slots how many sequences can be decoded together
    /// @param contextLength the most positions of a sequence
    /// @param cachePositions of the cache, in all slots together
    /// @param cacheBytesByKind bytes of the cache by what layers keep in it
    /// @param queueLimit how many requests may wait
    public record Description(
            String architecture,
            String weightFormat,
            String device,
            int slots,
            int contextLength,
            long cachePositions,
            long cacheBytes,
            Map<String, Long> cacheBytesByKind,
            int queueLimit) {}

    /// The engine is ready.
    ///
    /// @param waiting returns how many requests wait now; called by any thread
    public void recordReady(Description description, IntSupplier waiting) {
        this.description = description;
        this.waiting = waiting;
    }

    /// Records what the slots hold after a step.
    ///
    /// @param running how many sequences have a slot
    /// @param cachePositions how many positions of the cache these sequences use
    public void recordHeld(int running, int cachePositions) {
        this.running = running;
        this.cachePositions = cachePositions;
    }

    /// A step has ended.
    public void recordStep(long nanos) {
        steps.increment();
        busyNanos.add(nanos);
    }

    /// Records the tokens that went through the model: prefilled and decoded ones.
    public void recordTokens(int prefilled, int decoded) {
        prefilledTokens.add(prefilled);
        decodedTokens.add(decoded);
    }

    /// Records draft tokens that a step has taken, and how many of them were right.
    public void recordDrafts(int drafted, int accepted) {
        draftTokens.add(drafted);
        acceptedDraftTokens.add(accepted);
    }

    /// This many positions of a prompt came from the prefix cache.
    public void recordReused(int positions) {
        reusedTokens.add(positions);
    }

    /// A sequence lost its room in the cache, and waits for room again.
    public void recordPreempted() {
        preemptions.increment();
    }

    /// What copies of evicted prefixes take in main memory, and may take.
    public void recordEvictedPrefixes(long bytes, long mostBytes) {
        evictedPrefixBytes = bytes;
        evictedPrefixMostBytes = mostBytes;
    }

    /// A prompt gets an evicted prefix back.
    public void recordRestoredPrefix() {
        restoredPrefixes.increment();
    }

    /// The copy of a prefix was dropped, to make room for others.
    public void recordDroppedPrefix() {
        droppedPrefixes.increment();
    }

    /// The server that `ENGINE_COMMAND` names was started once more.
    public void recordRestart() {
        restarts.increment();
    }

    int waiting() {
        return waiting.getAsInt();
    }
}
