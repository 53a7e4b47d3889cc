package dev.llmworker.engine;

import dev.llmworker.constraint.ConstraintException;
import dev.llmworker.constraint.ConstraintState;
import dev.llmworker.sampling.TokenHistory;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

/// Finds which tokens the constraint of a sequence allows next.
///
/// A mask that is known is taken over at once. Another one is computed on another thread while the decoder's layers
/// run. The decoder waits for it before it chooses a token.
///
/// Threading: the engine thread. From [#find] until the decoder has its mask, another thread uses the state.
final class NextTokens {
    private @Nullable CompletableFuture<long[]> mask;

    /// Gives the history the mask of the next step.
    ///
    /// @param threads compute a mask that is not known yet
    void find(ConstraintState state, TokenHistory history, Executor threads) {
        var known = state.knownMask();
        if (known != null) {
            history.allow(() -> known);
            return;
        }
        var computed = CompletableFuture.supplyAsync(state::mask, threads);
        mask = computed;
        // If it fails, any token may come: the answer then ends before it.
        history.allow(() -> computed.exceptionally(_ -> null).join());
    }

    /// Why the mask that the newest token was chosen by could not be computed; null if it could. With a problem, the
    /// token must be ignored.
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
}
