package dev.llmworker.model.device;

import java.util.Locale;

/// The number format of weights or of the KV cache.
public enum Precision {
    /// The fastest format of the device that is accurate enough. On a CPU, quantised weights stay as they are.
    AUTO,
    /// Exact. The tests use it as the reference.
    FP32,
    BF16,
    /// Only on a GPU.
    FP16;

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
        };
    }
}
