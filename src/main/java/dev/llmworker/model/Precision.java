package dev.llmworker.model;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/// The number format of weights or of the KV cache.
public enum Precision {
    /// The fastest format of the device that is accurate enough. On a CPU, quantised weights stay as they are.
    AUTO,
    /// Exact. The tests use it as the reference.
    FP32,
    BF16,
    /// Only on a GPU.
    FP16;

    /// Reads `DTYPE` or `KV_CACHE_DTYPE`; case does not matter.
    ///
    /// @param variable the name, for the message
    public static Precision parse(String variable, String value) {
        for (var precision : values()) {
            if (precision.inLowerCase().equals(value.toLowerCase(Locale.ROOT))) {
                return precision;
            }
        }
        throw new IllegalArgumentException(variable + " is " + value + "; it can be "
                + Arrays.stream(values()).map(Precision::inLowerCase).collect(Collectors.joining(", ")));
    }

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
