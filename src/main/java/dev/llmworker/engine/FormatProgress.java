package dev.llmworker.engine;

import dev.llmworker.constraint.ConstraintException;
import dev.llmworker.constraint.ConstraintState;
import dev.llmworker.sampling.TokenHistory;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

/// How far a sequence has come in its format. It gives the sequence's history the tokens that may come next.
///
/// A mask that is known is taken over at once. Another one is computed on another thread while the decoder's layers
/// run. The decoder waits for it before it chooses a token.
///
/// Threading: the engine thread. From [#computeMask] until the decoder has its mask, another thread uses the state.
final class FormatProgress {
    private final ConstraintState state;
    private final TokenHistory history;
    private @Nullable CompletableFuture<long[]> mask;

    FormatProgress(ConstraintState state, TokenHistory history) {
        this.state = state;
        this.history = history;
    }

    /// Why the mask could not be computed that the newest token was chosen by; that token must be ignored. Null if it
    /// was.
    @Nullable
    ConstraintException problem() {
        var newest = mask;
        mask = null;
        try {
            if (newest != null) {
                newest.join();
            }
            return null;
        } catch (CompletionException e) {
            if (e.getCause() instanceof ConstraintException problem) {
                return problem;
            }
            throw e;
        }
    }

    /// Goes on with a token. False if it is not allowed.
    ///
    /// @throws ConstraintException if a limit is reached
    boolean advance(int token) {
        return state.advance(token);
    }

    /// Whether the answer ends here.
    boolean isFinished() {
        return state.isFinished();
    }

    /// Finds the tokens that may follow, for the next step.
    ///
    /// @param threads compute a mask that is not known yet
    void computeMask(Executor threads) {
        var known = state.knownMask();
        if (known != null) {
            history.allow(() -> known);
            return;
        }
        var computed = CompletableFuture.supplyAsync(state::mask, threads);
        mask = computed;
        // If it fails, any token does: the answer then ends before it.
        history.allow(() -> computed.exceptionally(_ -> null).join());
    }
}
