package dev.llmworker.model.decoder;

import dev.llmworker.sampling.Logprobs;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.sampling.TokenHistory;
import org.jspecify.annotations.Nullable;

/// The rows of one decode call. Row `i` is the sequence in slot `i`. Running sequences fill the slots from 0 without
/// gaps, so that the decoder reads the cache by plain views.
///
/// Threading: only the engine thread fills and reads it; it is reused from call to call.
public final class DecodeBatch {
    private static final @Nullable Logprobs[] NO_LOGPROBS = {};

    final int[] tokens;
    final int[] positions;
    final SamplingParameters[] sampling;
    private final @Nullable TokenHistory[] histories;
    private @Nullable Logprobs[] logprobs = NO_LOGPROBS;
    private boolean steered;
    private int rows;

    public DecodeBatch(int slots) {
        tokens = new int[slots];
        positions = new int[slots];
        sampling = new SamplingParameters[slots];
        histories = new TokenHistory[slots];
    }

    public void clear() {
        rows = 0;
        steered = false;
        logprobs = NO_LOGPROBS;
    }

    /// Adds the sequence in slot `rows()`: its newest token, which is not in the cache yet, and that token's
    /// position.
    public void add(int token, int position, SamplingParameters parameters) {
        add(token, position, parameters, null);
    }

    /// As [#add(int, int, SamplingParameters)].
    ///
    /// @param history of a sequence whose logits are adjusted or whose log-probabilities are wanted
    public void add(int token, int position, SamplingParameters parameters, @Nullable TokenHistory history) {
        tokens[rows] = token;
        positions[rows] = position;
        sampling[rows] = parameters;
        histories[rows] = history;
        steered |= history != null;
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

    /// What adjusts the logits of a row; null if nothing does.
    public @Nullable TokenHistory history(int row) {
        return histories[row];
    }

    /// Whether some row has a history.
    boolean isSteered() {
        return steered;
    }

    /// The log-probabilities of the last call for a row that asks for them.
    public @Nullable Logprobs logprobs(int step, int row) {
        int index = step * rows + row;
        return index < logprobs.length ? logprobs[index] : null;
    }

    /// Stores a call's log-probabilities, by step, then by row.
    public void logprobs(@Nullable Logprobs[] found) {
        logprobs = found;
    }
}
