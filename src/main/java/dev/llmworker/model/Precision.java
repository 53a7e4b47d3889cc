package dev.llmworker.model;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/// The number format of weights or of the KV cache.
public enum Precision {
    /// What is fastest on the device at the accuracy that the project asks for; on a CPU quantised weights as they
    /// are.
    AUTO,
    /// Exact, and the reference of the tests.
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

    /// As variables and the decoder program name it.
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
