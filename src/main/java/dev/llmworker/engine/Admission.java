package dev.llmworker.engine;

import dev.llmworker.constraint.Constraint;
import dev.llmworker.constraint.ConstraintState;
import dev.llmworker.generation.PrefixHold;
import dev.llmworker.generation.Share;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.sampling.TokenHistory;
import dev.llmworker.text.chat.ChatFormat;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// A request that was checked against the model.
///
/// @param tokenLimit the most tokens to generate; the prompt and these fit into the context
/// @param cacheSalt cached prefixes are reused only of requests with the same salt
/// @param share whose request it is, if slots are scarce
/// @param hold keeps its prefix for later requests; null if nothing does
/// @param stopTokens tokens that end the text, and are no part of it; with the stop sequences that name them, or an
///     empty text
/// @param history given to the decoder; null if logits are not adjusted and log-probabilities are not requested
/// @param constraint which tokens the answer may take; null if it may be any text
/// @param answer takes the answer apart; null if it is one text
/// @param start where the answer begins after the prompt
/// @param scorer turns log-probabilities into text; null if they are not requested
record Admission(
        long id,
        int[] prompt,
        int tokenLimit,
        boolean ignoreEos,
        SamplingParameters sampling,
        long timeoutNanos,
        String cacheSalt,
        Share share,
        @Nullable PrefixHold hold,
        int minTokens,
        List<String> stop,
        Map<Integer, String> stopTokens,
        @Nullable TokenHistory history,
        @Nullable TokenScorer scorer,
        @Nullable ConstraintState constraint,
        @Nullable PartedAnswer answer,
        ChatFormat.Start start) {
    /// All that the answer may have to keep to.
    List<Constraint> constraints() {
        var first = constraint == null ? Stream.<Constraint>of() : Stream.of(constraint.constraint());
        var later = answer == null ? Stream.<Constraint>of() : answer.constraints().stream();
        return Stream.concat(first, later).toList();
    }
}
