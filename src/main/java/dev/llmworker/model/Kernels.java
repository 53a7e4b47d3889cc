package dev.llmworker.model;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/// Which code runs the layers of a decoder.
public enum Kernels {
    /// [#NATIVE] if it can run, else [#TORCH]. A CPU with AMX prefers [#TORCH].
    AUTO,
    /// C++ built with the worker, for a CPU with AVX2. Weights stay quantised, and a row's result never depends on
    /// other rows.
    NATIVE,
    /// libtorch's operators, for any device.
    TORCH;

    /// Reads `KERNELS`; case does not matter.
    public static Kernels parse(String value) {
        for (var kernels : values()) {
            if (kernels.inLowerCase().equals(value.toLowerCase(Locale.ROOT))) {
                return kernels;
            }
        }
        throw new IllegalArgumentException("KERNELS is " + value + "; it can be "
                + Arrays.stream(values()).map(Kernels::inLowerCase).collect(Collectors.joining(", ")));
    }

    private String inLowerCase() {
        return name().toLowerCase(Locale.ROOT);
    }
}
