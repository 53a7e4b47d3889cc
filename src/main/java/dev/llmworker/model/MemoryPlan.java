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
/// @param layout how slots share the cache
/// @param tokens that the cache has room for, in all slots together
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
        Layout layout,
        long tokens,
        long bytesPerToken,
        long bytesPerSlot,
        String perToken,
        String perSlot) {
    /// On a CPU.
    public static final int DEFAULT_SLOTS = 32;
    /// Of what weights, cache and steps leave. Other programs need memory too, and files are read faster from it.
    private static final double SHARE_OF_COPIES = 0.25;
    /// Contexts are rounded down to multiples of this, which the decoder's attention reads.
    private static final int CONTEXT_STEP = 64;

    /// How slots share the cache.
    public sealed interface Layout {
        /// There are fewer slots before each has room for fewer tokens than this, in the mean.
        ///
        /// @param trained the longest context of the model
        /// @param chosen context; 0 if nobody chose it
        int each(int trained, int chosen);

        /// Tokens of the cache that a sequence of this length needs.
        long sequence(long length);

        /// Bytes that the cache takes at least.
        ///
        /// @param sequence bytes of the longest sequence's tokens
        /// @param perToken bytes of a token
        /// @param perSlot bytes of a slot beside its tokens
        double least(int slots, double sequence, long perToken, long perSlot);

        /// Tokens that the cache has room for.
        ///
        /// @param left bytes that its tokens may take
        long tokens(int slots, long contextLength, double left, long perToken);

        /// `32 slots × 4096 tokens`.
        String words(int slots, long contextLength, long tokens);

        /// Each slot has room for a context of its own.
        ///
        /// @param spareTokens beside its context
        record Shares(int spareTokens) implements Layout {
            @Override
            public int each(int trained, int chosen) {
                return chosen == 0 ? Math.min(trained, 4096) : chosen;
            }

            @Override
            public long sequence(long length) {
                return length + spareTokens;
            }

            @Override
            public double least(int slots, double sequence, long perToken, long perSlot) {
                return slots * (sequence + perSlot);
            }

            @Override
            public long tokens(int slots, long contextLength, double left, long perToken) {
                return slots * (contextLength + spareTokens);
            }

            @Override
            public String words(int slots, long contextLength, long tokens) {
                return Count.of(slots, "slot") + " × " + contextLength
                        + (spareTokens == 0 ? " tokens" : " and " + spareTokens + " spare tokens");
            }
        }

        /// All slots take pages from one pool as they grow.
        ///
        /// @param pageTokens positions of a page
        record Pages(int pageTokens) implements Layout {
            /// Few sequences are as long as the context.
            @Override
            public int each(int trained, int chosen) {
                return Math.min(chosen == 0 ? trained : chosen, 1024);
            }

            @Override
            public long sequence(long length) {
                return Math.ceilDiv(length, pageTokens) * (long) pageTokens;
            }

            /// One sequence must have room, and the page that belongs to no slot.
            @Override
            public double least(int slots, double sequence, long perToken, long perSlot) {
                return sequence + (double) pageTokens * perToken + (double) slots * perSlot;
            }

            /// At most what all slots can use.
            @Override
            public long tokens(int slots, long contextLength, double left, long perToken) {
                var most = slots * sequence(contextLength) + pageTokens;
                var least = sequence(contextLength) + pageTokens;
                var room = perToken == 0 ? most : (long) (left / perToken) / pageTokens * pageTokens;
                return Math.clamp(room, least, most);
            }

            @Override
            public String words(int slots, long contextLength, long tokens) {
                return Count.of(slots, "slot") + " of up to " + contextLength + " tokens, which share "
                        + (tokens / pageTokens - 1) + " pages of " + pageTokens + ", " + tokens + " tokens";
            }
        }
    }

    /// What the memory must hold.
    ///
    /// @param cache format of keys and values
    /// @param scratch bytes that a step takes beside `working`, by the length of the context
    /// @param layout how slots share the cache
    /// @param share the part of the remaining memory that the cache may take if nobody chose its size
    /// @param mostSlots if nobody chose their number
    public record Needs(
            ModelConfig config,
            Precision cache,
            long weights,
            long working,
            LongUnaryOperator scratch,
            Layout layout,
            double share,
            int mostSlots) {
        /// Bytes of a slot; the largest number if there are more.
        private long slot(long contextLength) {
            var perToken = config.cacheBytesPerToken(contextLength, cache);
            var tokens = layout.sequence(contextLength);
            return perToken > Long.MAX_VALUE / 2 / tokens
                    ? Long.MAX_VALUE
                    : perToken * tokens + config.cacheBytesPerSlot(contextLength, cache);
        }

        /// Whether the cache has room for this number of slots.
        ///
        /// @param part as of [#leftForCache]
        private boolean fits(long left, int slots, long contextLength, double part) {
            var perToken = config.cacheBytesPerToken(contextLength, cache);
            var perSlot = config.cacheBytesPerSlot(contextLength, cache);
            var sequence = (double) perToken * layout.sequence(contextLength);
            return layout.least(slots, sequence, perToken, perSlot) <= leftForCache(left, contextLength, part);
        }

        /// How many slots of such a context the memory has room for: 0 to `most`.
        private int mostOf(long left, int most, long contextLength) {
            int fits = 0, tooMany = most + 1;
            while (tooMany - fits > 1) {
                var middle = (fits + tooMany) / 2;
                if (fits(left, middle, contextLength, 1)) {
                    fits = middle;
                } else {
                    tooMany = middle;
                }
            }
            return fits;
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
                if (fits(left, slots, length, part)) {
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
            var each = needs.layout().each(config.contextLength(), contextLength);
            var budget = needs.leftForCache(left, each, needs.share());
            slots = (int) Math.clamp(budget / needs.slot(each), 1, needs.mostSlots());
        }
        if (contextLength == 0) {
            var longest = needs.longest(left, slots, needs.share());
            contextLength = (int) Math.min(config.contextLength(), Math.max(CONTEXT_STEP, longest));
        }
        var perToken = config.cacheBytesPerToken(contextLength, needs.cache());
        var perSlot = config.cacheBytesPerSlot(contextLength, needs.cache());
        var forTokens = needs.leftForCache(left, contextLength, needs.share()) - (double) slots * perSlot;
        var plan = new MemoryPlan(
                memory.place(),
                memory.total(),
                memory.available(),
                needs.weights(),
                needs.working() + needs.scratch().applyAsLong(contextLength),
                slots,
                contextLength,
                needs.layout(),
                needs.layout().tokens(slots, contextLength, forTokens, perToken),
                perToken,
                perSlot,
                config.cacheArithmetic(contextLength, needs.cache()),
                config.slotArithmetic(contextLength));
        if (!needs.fits(left, slots, contextLength, 1)) {
            throw new IllegalArgumentException("the KV cache does not fit: " + plan.arithmetic() + "; " + plan.room()
                    + ". " + plan.whatFits(needs, left));
        }
        return plan;
    }

    /// Bytes of the KV cache. Its memory is taken when it is first used.
    public long cache() {
        return bytesPerToken * tokens + bytesPerSlot * slots;
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
                        Collectors.summingLong(
                                state -> state.perPosition(cache) * tokens + state.fixed(cache) * slots)));
    }

    private String arithmetic() {
        var each = layout.words(slots, contextLength, tokens) + " × " + bytesPerToken + " bytes"
                + (perToken.isEmpty() ? "" : " (" + perToken + ")");
        var all = perSlot.isEmpty()
                ? each
                : each + ", and " + Count.of(slots, "slot") + " × " + bytesPerSlot + " bytes (" + perSlot + "),";
        return all + " are " + gigabytes((double) bytesPerToken * tokens + (double) bytesPerSlot * slots);
    }

    private String room() {
        return place + " has " + gigabytes(total) + ", of which " + gigabytes(available)
                + " are available; the weights take " + gigabytes(weights) + ", and loading and running them "
                + gigabytes(working);
    }

    private String whatFits(Needs needs, long left) {
        var fewer = needs.mostOf(left, slots, contextLength);
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
