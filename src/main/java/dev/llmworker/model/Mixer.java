package dev.llmworker.model;

/// The first half of a layer: how a token takes from those before it.
public sealed interface Mixer permits Attention, DeltaNet {
    /// Values of a token that the last matrix takes.
    int resultWidth();

    /// Values of a token that the first matrix makes.
    int inputWidth();

    /// Whether it keeps something of a sequence. Otherwise it reads what an earlier layer keeps.
    boolean hasState();

    /// What it keeps of a sequence, or reads of another layer.
    ///
    /// @param positions that a slot holds
    LayerState state(long positions);

    /// In words: `9 heads of 64 (3 for keys and values)`.
    String description();
}
