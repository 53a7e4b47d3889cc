package dev.llmworker.model;

/// The first half of a layer: how a token takes from those before it.
public sealed interface Mixer permits Attention, DeltaNet {
    /// Values of a token that the last matrix takes.
    int resultWidth();

    /// Values of a token that the first matrix makes.
    int inputWidth();

    /// What it keeps of a sequence.
    ///
    /// @param positions that a slot holds
    LayerState state(long positions);

    /// In words: `9 heads of 64 (3 for keys and values)`.
    String description();
}
