package dev.llmworker.model;

import dev.llmworker.stats.Count;
import java.util.Locale;

/// How the memory of a device will be used. It is decided before any memory is taken. Figures are in bytes.
///
/// @param place where the memory is: `this machine`
/// @param total of it
/// @param available the part that nothing used before
/// @param weights bytes of the weights, in all layouts in which they are held
/// @param working bytes that loading and running take beside weights and cache
/// @param slots sequences decoded together
/// @param contextLength tokens of each, at most
/// @param spareTokens of each slot's cache beside its context
/// @param bytesPerToken of the KV cache
/// @param perToken the arithmetic of `bytesPerToken`, for messages
public record MemoryPlan(
        String place,
        long total,
        long available,
        long weights,
        long working,
        int slots,
        int contextLength,
        int spareTokens,
        long bytesPerToken,
        String perToken) {
    public static final int DEFAULT_SLOTS = 32;
    /// There are fewer slots before contexts become shorter than this.
    private static final int COMFORTABLE_CONTEXT = 4096;
    /// Contexts are rounded down to multiples of this, which the decoder's attention reads.
    private static final int CONTEXT_STEP = 64;

    /// What the memory must hold.
    ///
    /// @param scratchPerToken bytes that a step takes for each token of the longest context, beside `working`
    /// @param spareTokens that a slot's cache has room for beside its context, at most
    /// @param share the part of the remaining memory that the cache may take if nobody chose its size
    public record Needs(
            ModelConfig config,
            int numberBytes,
            long weights,
            long working,
            long scratchPerToken,
            int spareTokens,
            double share) {
        /// The longest context of each of some slots that such memory holds, in whole steps.
        private long longest(double bytes, int slots, double scratch) {
            var perToken = (double) slots * config.cacheBytesPerToken(numberBytes);
            return stepped((long) ((bytes - perToken * spareTokens) / (perToken + scratch)));
        }
    }

    /// @param slots 0: as many as fit
    /// @param contextLength 0: as long as fits
    /// @throws IllegalArgumentException when the model was not trained for it, or weights and cache cannot fit,
    ///     and the message says what would fit
    public static MemoryPlan of(DeviceMemory memory, Needs needs, int slots, int contextLength) {
        var config = needs.config();
        var bytesPerToken = config.cacheBytesPerToken(needs.numberBytes());
        var left = memory.available() - needs.weights() - needs.working();
        if (left <= 0) {
            throw new IllegalArgumentException("the model does not fit: its weights take " + gigabytes(needs.weights())
                    + ", and loading and running them " + gigabytes(needs.working()) + "; " + memory.place() + " has "
                    + gigabytes(memory.total()) + ", of which " + gigabytes(memory.available()) + " are available");
        }
        if (contextLength > config.contextLength()) {
            throw new IllegalArgumentException(
                    "MAX_MODEL_LEN is " + contextLength + "; the model was trained for " + config.contextLength());
        }
        var spare = needs.spareTokens();
        if (slots == 0) {
            var each = contextLength == 0 ? Math.min(config.contextLength(), COMFORTABLE_CONTEXT) : contextLength;
            var budget = (long) ((left - needs.scratchPerToken() * each) * needs.share()) / bytesPerToken;
            slots = (int) Math.clamp(budget / (each + spare), 1, DEFAULT_SLOTS);
        }
        if (contextLength == 0) {
            var longest = needs.longest(left * needs.share(), slots, needs.scratchPerToken() * needs.share());
            contextLength = (int) Math.min(config.contextLength(), Math.max(CONTEXT_STEP, longest));
        }
        var plan = new MemoryPlan(
                memory.place(),
                memory.total(),
                memory.available(),
                needs.weights(),
                needs.working() + needs.scratchPerToken() * contextLength,
                slots,
                contextLength,
                spare,
                bytesPerToken,
                config.cacheArithmetic(needs.numberBytes()));
        // Not the product of all: that of a hostile file could overflow.
        var leftForCache = left - needs.scratchPerToken() * contextLength;
        if (contextLength + spare > leftForCache / bytesPerToken / slots) {
            throw new IllegalArgumentException("the KV cache does not fit: " + plan.arithmetic() + "; " + plan.room()
                    + ". " + plan.whatFits(left, needs));
        }
        return plan;
    }

    /// Bytes of the KV cache. Its memory is taken when it is first used.
    public long cache() {
        return bytesPerToken * slots * (contextLength + spareTokens);
    }

    private String arithmetic() {
        var tokens = contextLength + (spareTokens == 0 ? " tokens × " : " and " + spareTokens + " spare tokens × ");
        return Count.of(slots, "slot") + " × " + tokens + bytesPerToken + " bytes (" + perToken + ") are "
                + gigabytes((double) bytesPerToken * slots * (contextLength + spareTokens));
    }

    private String room() {
        return place + " has " + gigabytes(total) + ", of which " + gigabytes(available)
                + " are available; the weights take " + gigabytes(weights) + ", and loading and running them "
                + gigabytes(working);
    }

    private String whatFits(long left, Needs needs) {
        var fewer = (left - needs.scratchPerToken() * contextLength) / bytesPerToken / (contextLength + spareTokens);
        var shorter = needs.longest(left, slots, needs.scratchPerToken());
        var short1 = needs.longest(left, 1, needs.scratchPerToken());
        if (fewer >= 1 && shorter >= CONTEXT_STEP) {
            return "MAX_SLOTS=" + fewer + " would fit, or MAX_MODEL_LEN=" + shorter;
        }
        if (fewer >= 1) {
            return "MAX_SLOTS=" + fewer + " would fit";
        }
        if (shorter >= CONTEXT_STEP) {
            return "MAX_MODEL_LEN=" + shorter + " would fit";
        }
        return short1 >= CONTEXT_STEP
                ? "MAX_SLOTS=1 with MAX_MODEL_LEN=" + short1 + " would fit"
                : "A smaller model, or one in fewer bits, would fit";
    }

    private static long stepped(long tokens) {
        return tokens / CONTEXT_STEP * CONTEXT_STEP;
    }

    private static String gigabytes(double bytes) {
        return String.format(Locale.ROOT, bytes < 1e9 ? "%.2f GB" : "%.1f GB", bytes / 1e9);
    }

    /// The whole plan in one line.
    @Override
    public String toString() {
        return "KV cache: " + arithmetic() + "; " + room();
    }
}
