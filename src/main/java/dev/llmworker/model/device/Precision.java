package dev.llmworker.model.device;

import java.util.Locale;

/// The number format of weights or of the KV cache.
public enum Precision {
    /// The fastest format of the device that is accurate enough. On a CPU, quantised weights stay as they are.
    AUTO,
    /// Exact. The tests use it as the reference.
    FP32,
    BF16,
    /// Weights only on a GPU.
    FP16,
    /// Bytes, with a scale in float16 for each [#GROUP] of them. Only for the KV cache of native kernels.
    Q8;

    /// Numbers of a key or a value that share a scale: `KvCache::GROUP` in `kv_cache.h`.
    private static final int GROUP = 32;

    /// The name that variables and the decoder programs use.
    public String inLowerCase() {
        return name().toLowerCase(Locale.ROOT);
    }

    /// Bytes of a number; AUTO has none.
    public int bytes() {
        return switch (this) {
            case FP32 -> 4;
            case BF16, FP16 -> 2;
            case AUTO -> throw new IllegalStateException("auto has not been resolved");
            case Q8 -> throw new IllegalStateException("a number of q8 shares a scale with others");
        };
    }

    /// Bytes of a key or a value.
    ///
    /// @param dim numbers of it
    public long bytes(int dim) {
        return this == Q8 ? dim + scaleBytes(dim) : (long) dim * bytes();
    }

    /// How [#bytes(int)] comes about, for messages.
    public String arithmetic(int dim) {
        return this == Q8 ? "(" + dim + " + " + scaleBytes(dim) + ") bytes" : dim + " × " + bytes() + " bytes";
    }

    private static long scaleBytes(int dim) {
        return (long) Math.ceilDiv(dim, GROUP) * FP16.bytes();
    }
}
