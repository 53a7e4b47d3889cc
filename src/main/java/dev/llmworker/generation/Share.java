package dev.llmworker.generation;

/// Whose request it is. If slots are scarce, each owner gets a share of them by its weight.
///
/// @param owner tells owners apart
/// @param weight from 1 to [#MAX_WEIGHT]; an owner with twice the weight gets twice the share
public record Share(String owner, int weight) {
    public static final int MAX_WEIGHT = 100;
    /// Of requests that belong to nobody in particular. They have one share together.
    public static final Share NONE = new Share("", 1);

    public Share {
        if (weight < 1 || weight > MAX_WEIGHT) {
            throw new IllegalArgumentException("a weight of " + weight + "; it must be from 1 to " + MAX_WEIGHT);
        }
    }
}
