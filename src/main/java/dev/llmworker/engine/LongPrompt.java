package dev.llmworker.engine;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.generation.Timings;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// A generation whose prompt waits to be encoded or is being encoded. Afterwards it delegates to the resulting
/// sequence.
///
/// Threading: one thread encodes, another reads, and any thread may close it.
final class LongPrompt implements Generation, Runnable {
    private static final Generation NONE = new Cancelled();

    private final Supplier<Sequence> encoding;
    private final Predicate<LongPrompt> withdraw;
    private final CompletableFuture<Generation> outcome = new CompletableFuture<>();

    /// The result if the generation was closed before its sequence existed.
    private static final class Cancelled implements Generation {
        @Override
        public Iterator<GenerationEvent> iterator() {
            return List.<GenerationEvent>of(new GenerationEvent.Finished(FinishReason.CANCELLED, 0, 0))
                    .iterator();
        }

        @Override
        public void close() {}
    }

    /// @param encoding makes the sequence and puts it into the waiting queue
    /// @param withdraw removes this prompt from those that wait to be encoded
    LongPrompt(Supplier<Sequence> encoding, Predicate<LongPrompt> withdraw) {
        this.encoding = encoding;
        this.withdraw = withdraw;
    }

    @Override
    public void run() {
        if (outcome.isDone()) {
            return;
        }
        try {
            var sequence = encoding.get();
            if (!outcome.complete(sequence)) {
                sequence.close();
            }
        } catch (Throwable e) {
            outcome.completeExceptionally(e);
        }
    }

    @Override
    public void awaitAccepted() {
        try {
            outcome.get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RefusedException refused) {
                throw refused;
            }
            throw new IllegalStateException("the prompt was not encoded", e.getCause());
        } catch (InterruptedException _) {
            close();
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public Iterator<GenerationEvent> iterator() {
        return outcome.join().iterator();
    }

    @Override
    public @Nullable Timings timings() {
        return outcome.join().timings();
    }

    @Override
    public void close() {
        if (outcome.complete(NONE)) {
            var _ = withdraw.test(this);
        } else if (!outcome.isCompletedExceptionally()) {
            outcome.join().close();
        }
    }
}
