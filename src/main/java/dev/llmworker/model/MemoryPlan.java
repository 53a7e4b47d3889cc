package dev.llmworker.model;

import dev.llmworker.model.device.DeviceMemory;
import dev.llmworker.model.device.Precision;
import dev.llmworker.stats.Count;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.LongUnaryOperator;
import java.util.stream.Collectors;

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
/// @param bytesPerSlot of the cache beside that of its tokens
/// @param perToken the arithmetic of `bytesPerToken`, for messages
/// @param perSlot that of `bytesPerSlot`
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
        long bytesPerSlot,
        String perToken,
        String perSlot) {
    /// On a CPU.
    public static final int DEFAULT_SLOTS = 32;
    /// Of what weights, cache and steps leave. Other programs need memory too, and files are read faster from it.
    private static final double SHARE_OF_COPIES = 0.25;
    /// There are fewer slots before contexts become shorter than this.
    private static final int COMFORTABLE_CONTEXT = 4096;
    /// Contexts are rounded down to multiples of this, which the decoder's attention reads.
    private static final int CONTEXT_STEP = 64;

    /// What the memory must hold.
    ///
    /// @param cache format of keys and values
    /// @param scratch bytes that a step takes beside `working`, by the length of the context
    /// @param spareTokens that a slot's cache has room for beside its context, at most
    /// @param share the part of the remaining memory that the cache may take if nobody chose its size
    /// @param mostSlots if nobody chose their number
    public record Needs(
            ModelConfig config,
            Precision cache,
            long weights,
            long working,
            LongUnaryOperator scratch,
            int spareTokens,
            double share,
            int mostSlots) {
        /// Bytes of a slot; the largest number if there are more.
        private long slot(long contextLength) {
            var perToken = config.cacheBytesPerToken(contextLength, cache);
            var tokens = contextLength + spareTokens;
            return perToken > Long.MAX_VALUE / 2 / tokens
                    ? Long.MAX_VALUE
                    : perToken * tokens + config.cacheBytesPerSlot(contextLength, cache);
        }

        /// What is left for the cache beside the scratch of a step.
        ///
        /// @param part of it that the cache may take
        private long leftForCache(long left, long contextLength, double part) {
            return (long) ((left - (double) scratch.applyAsLong(contextLength)) * part);
        }

        /// The longest context of each of some slots that such memory holds, in whole steps.
        private long longest(long left, int slots, double part) {
            long fits = 0, tooLong = Math.ceilDiv(config.contextLength(), CONTEXT_STEP) + 1L;
            while (tooLong - fits > 1) {
                var middle = (fits + tooLong) / 2;
                var length = middle * CONTEXT_STEP;
                if (slot(length) <= leftForCache(left, length, part) / slots) {
                    fits = middle;
                } else {
                    tooLong = middle;
                }
            }
            return fits * CONTEXT_STEP;
        }
    }

    /// @param slots 0: as many as fit
    /// @param contextLength 0: as long as fits
    /// @throws IllegalArgumentException when the model was not trained for it, or weights and cache cannot fit,
    ///     and the message says what would fit
    public static MemoryPlan of(DeviceMemory memory, Needs needs, int slots, int contextLength) {
        var config = needs.config();
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
        if (slots == 0) {
            var each = contextLength == 0 ? Math.min(config.contextLength(), COMFORTABLE_CONTEXT) : contextLength;
            var budget = needs.leftForCache(left, each, needs.share());
            slots = (int) Math.clamp(budget / needs.slot(each), 1, needs.mostSlots());
        }
        if (contextLength == 0) {
            var longest = needs.longest(left, slots, needs.share());
            contextLength = (int) Math.min(config.contextLength(), Math.max(CONTEXT_STEP, longest));
        }
        var plan = new MemoryPlan(
                memory.place(),
                memory.total(),
                memory.available(),
                needs.weights(),
                needs.working() + needs.scratch().applyAsLong(contextLength),
                slots,
                contextLength,
                needs.spareTokens(),
                config.cacheBytesPerToken(contextLength, needs.cache()),
                config.cacheBytesPerSlot(contextLength, needs.cache()),
                config.cacheArithmetic(contextLength, needs.cache()),
                config.slotArithmetic(contextLength));
        // Not the product of all: that of a hostile file could overflow.
        if (needs.slot(contextLength) > needs.leftForCache(left, contextLength, 1) / slots) {
            throw new IllegalArgumentException("the KV cache does not fit: " + plan.arithmetic() + "; " + plan.room()
                    + ". " + plan.whatFits(needs, left));
        }
        return plan;
    }

    /// Bytes of the KV cache. Its memory is taken when it is first used.
    public long cache() {
        return slots * (bytesPerToken * (contextLength + spareTokens) + bytesPerSlot);
    }

    /// Bytes of main memory that copies of evicted prefixes may take.
    ///
    /// @param wanted [DecoderOptions#COPIES_AS_FIT] is a share of what is left
    public long copies(long wanted) {
        var left = Math.max(0, available - weights - working - cache());
        return wanted == DecoderOptions.COPIES_AS_FIT ? (long) (left * SHARE_OF_COPIES) : Math.min(wanted, left);
    }

    /// Bytes of the cache by [LayerState#kind()].
    public Map<String, Long> byKind(ModelConfig config, Precision cache) {
        return config.states(contextLength).stream()
                .collect(Collectors.groupingBy(
                        LayerState::kind,
                        TreeMap::new,
                        Collectors.summingLong(state -> slots
                                * (state.perPosition(cache) * (contextLength + spareTokens) + state.fixed(cache)))));
    }

    private String arithmetic() {
        var tokens = contextLength + (spareTokens == 0 ? " tokens × " : " and " + spareTokens + " spare tokens × ")
                + bytesPerToken + " bytes" + (perToken.isEmpty() ? "" : " (" + perToken + ")");
        var each = perSlot.isEmpty() ? tokens : "(" + tokens + " + " + bytesPerSlot + " bytes (" + perSlot + "))";
        return Count.of(slots, "slot") + " × " + each + " are "
                + gigabytes(slots * ((double) bytesPerToken * (contextLength + spareTokens) + bytesPerSlot));
    }

    private String room() {
        return place + " has " + gigabytes(total) + ", of which " + gigabytes(available)
                + " are available; the weights take " + gigabytes(weights) + ", and loading and running them "
                + gigabytes(working);
    }

    private String whatFits(Needs needs, long left) {
        var fewer = needs.leftForCache(left, contextLength, 1) / needs.slot(contextLength);
        var shorter = needs.longest(left, slots, 1);
        var short1 = needs.longest(left, 1, 1);
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

    private static String gigabytes(double bytes) {
        return String.format(Locale.ROOT, bytes < 1e9 ? "%.2f GB" : "%.1f GB", bytes / 1e9);
    }

    /// The whole plan in one line.
    @Override
    public String toString() {
        return "KV cache: " + arithmetic() + "; " + room();
    }
}
