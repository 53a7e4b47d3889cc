package dev.llmworker.engine;

import dev.llmworker.sampling.TokenHistory;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The options of a sequence that change its logits, read their scores or end its text.
///
/// @param stopTokens tokens that end the text, and are no part of it
/// @param history given to the decoder; null if logits are not adjusted and log-probabilities are not requested
/// @param scorer turns log-probabilities into text; null if they are not requested
record LogitProcessing(
        int minTokens,
        List<String> stop,
        Set<Integer> stopTokens,
        @Nullable TokenHistory history,
        @Nullable TokenScorer scorer) {
    static final LogitProcessing NONE = new LogitProcessing(0, List.of(), Set.of(), null, null);
}
