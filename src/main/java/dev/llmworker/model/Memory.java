package dev.llmworker.model;

import java.lang.management.ManagementFactory;
import java.util.Locale;

/// How the memory of the decoder's device is shared out. Figures are in bytes.
///
/// @param total of the machine, container or GPU
/// @param weights what the loaded weights take
/// @param place what has the memory, for messages: `this machine`
record Memory(long total, long weights, String place) {
    /// Of what is left beside the weights, the part that a cache whose size nobody chose may take.
    private static final double AUTO_CACHE_SHARE = 0.5;
    /// Contexts are cut to multiples of this, which the decoder's attention reads.
    private static final int CONTEXT_STEP = 64;

    /// Of the machine, or of the container that the process runs in.
    static long ofMachine() {
        var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        return system.getTotalMemorySize();
    }

    /// The context length that is used.
    ///
    /// @param wanted 0: the model's own, less where the cache would take too much
    /// @throws IllegalArgumentException when the model was not trained for it, or weights and cache cannot fit
    int contextLength(DecoderShape shape, int slots, int wanted, int numberBytes) {
        var perToken = shape.cacheBytesPerToken(numberBytes);
        var left = total - weights;
        if (left <= 0) {
            throw new IllegalArgumentException("the weights do not fit: they take " + gigabytes(weights) + "; " + place
                    + " has " + gigabytes(total));
        }
        if (wanted == 0) {
            var affordable = (long) (left * AUTO_CACHE_SHARE) / perToken / slots;
            wanted = (int)
                    Math.min(shape.contextLength(), Math.max(CONTEXT_STEP, affordable / CONTEXT_STEP * CONTEXT_STEP));
        }
        if (wanted > shape.contextLength()) {
            throw new IllegalArgumentException(
                    "context length is " + wanted + "; the model was trained for " + shape.contextLength());
        }
        var cache = perToken * slots * wanted;
        if (cache > left) {
            throw new IllegalArgumentException("the KV cache does not fit: " + slots + " slots × " + wanted
                    + " tokens × " + perToken + " bytes (2 × " + shape.layers() + " layers × " + shape.kvHeads()
                    + " heads × " + shape.headDim() + " × " + numberBytes + " bytes) are " + gigabytes(cache) + "; "
                    + place + " has " + gigabytes(total) + ", of which the weights take " + gigabytes(weights)
                    + ". Fewer slots or a shorter context fit");
        }
        return wanted;
    }

    private static String gigabytes(long bytes) {
        return String.format(Locale.ROOT, "%.1f GB", bytes / 1e9);
    }
}
