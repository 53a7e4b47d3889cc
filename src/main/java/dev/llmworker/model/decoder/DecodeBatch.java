package dev.llmworker.model.decoder;

import dev.llmworker.sampling.Logprobs;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.sampling.TokenHistory;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// The rows of one decode call: of each running sequence its newest token, and behind it the draft tokens that may
/// follow. Running sequences fill the slots from 0 without gaps, so that the decoder reads the cache by plain views.
/// Without drafts, row `i` is the sequence in slot `i`.
///
/// Threading: only the engine thread fills and reads it; it is reused from call to call.
public final class DecodeBatch {
    private static final @Nullable Logprobs[] NO_LOGPROBS = {};

    final int[] tokens;
    final int[] positions;
    private final int[] slots;
    final SamplingParameters[] sampling;
    private final @Nullable TokenHistory[] histories;
    private @Nullable Logprobs[] logprobs = NO_LOGPROBS;
    private boolean steered;
    private int rows;
    private int sequences;

    public DecodeBatch(int slots) {
        this(slots, 0);
    }

    /// @param drafts how many draft tokens it has room for
    public DecodeBatch(int slots, int drafts) {
        tokens = new int[slots + drafts];
        positions = new int[slots + drafts];
        this.slots = new int[slots + drafts];
        sampling = new SamplingParameters[slots + drafts];
        histories = new TokenHistory[slots + drafts];
    }

    public void clear() {
        rows = 0;
        sequences = 0;
        steered = false;
        logprobs = NO_LOGPROBS;
    }

    /// Adds the sequence in slot `sequences()`: its newest token, which is not in the cache yet, and that token's
    /// position.
    public void add(int token, int position, SamplingParameters parameters) {
        add(token, position, parameters, null);
    }

    /// As [#add(int, int, SamplingParameters)].
    ///
    /// @param history of a sequence whose logits are adjusted or whose log-probabilities are wanted
    public void add(int token, int position, SamplingParameters parameters, @Nullable TokenHistory history) {
        put(token, position, parameters, history, sequences++);
    }

    /// Adds a token that may follow the last row, of the same sequence. What the model makes of it counts only if the
    /// last row's token is this one.
    ///
    /// @param history of the sequence with this token
    public void addDraft(int token, @Nullable TokenHistory history) {
        put(token, positions[rows - 1] + 1, sampling[rows - 1], history, slots[rows - 1]);
    }

    private void put(int token, int position, SamplingParameters parameters, @Nullable TokenHistory history, int slot) {
        tokens[rows] = token;
        positions[rows] = position;
        sampling[rows] = parameters;
        histories[rows] = history;
        slots[rows] = slot;
        steered |= history != null;
        rows++;
    }

    /// With drafts.
    public int rows() {
        return rows;
    }

    /// How many sequences its rows are of.
    public int sequences() {
        return sequences;
    }

    public boolean hasDrafts() {
        return rows > sequences;
    }

    /// Of a row's sequence.
    public int slot(int row) {
        return slots[row];
    }

    long[] slots() {
        return Arrays.stream(slots, 0, rows).asLongStream().toArray();
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
