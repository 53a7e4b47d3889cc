package dev.llmworker.model;

/// Which code runs the layers of a decoder.
public enum Kernels {
    /// [#NATIVE] if it can run, else [#TORCH]. A CPU with AMX prefers [#TORCH].
    AUTO,
    /// C++ built with the worker. Weights stay quantised, and a row's result never depends on other rows.
    NATIVE,
    /// libtorch's operators, for any device.
    TORCH;
}
