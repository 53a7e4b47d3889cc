package dev.llmworker.model;

import dev.llmworker.sampling.SamplingParameters;

/// The rows of one decode call. Row `i` is the sequence in slot `i`: running sequences fill the slots from 0 without a
/// hole, so that the decoder reads the cache by plain views.
///
/// Threading: filled and read by the engine thread alone; reused from call to call.
public final class DecodeBatch {
    final int[] tokens;
    final int[] positions;
    final SamplingParameters[] sampling;
    private int rows;

    public DecodeBatch(int slots) {
        tokens = new int[slots];
        positions = new int[slots];
        sampling = new SamplingParameters[slots];
    }

    public void clear() {
        rows = 0;
    }

    /// Adds the sequence in slot `rows()`: its newest token, which is not in the cache yet, and that token's position.
    public void add(int token, int position, SamplingParameters parameters) {
        tokens[rows] = token;
        positions[rows] = position;
        sampling[rows] = parameters;
        rows++;
    }

    public int rows() {
        return rows;
    }

    public int token(int row) {
        return tokens[row];
    }

    public int position(int row) {
        return positions[row];
    }

    public SamplingParameters sampling(int row) {
        return sampling[row];
    }
}
