package dev.llmworker.engine;

import dev.llmworker.sampling.TokenHistory;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What goes beyond sampling a token and showing its text.
///
/// @param history for the decoder; null where neither logits are adjusted nor log-probabilities wanted
/// @param scorer for the reader, of one whose log-probabilities are wanted
record LogitProcessing(
        int minTokens,
        List<String> stop,
        @Nullable TokenHistory history,
        @Nullable TokenScorer scorer) {
    static final LogitProcessing NONE = new LogitProcessing(0, List.of(), null, null);
}
