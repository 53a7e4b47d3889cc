package dev.llmworker.model;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/// Which code the layers of a decoder run in.
public enum Kernels {
    /// [#NATIVE] where it can run, else [#TORCH]; on a CPU that multiplies bfloat16 the other way round.
    AUTO,
    /// C++ built with the worker, on a CPU with AVX2: weights stay quantised, a row's result never depends on others.
    NATIVE,
    /// Operators of libtorch, on any device.
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
