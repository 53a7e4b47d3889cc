package dev.llmworker.engine;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.HeldMemory;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.generation.Timings;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// A generation whose prompt waits to be encoded or is being encoded. Afterwards it delegates to the resulting
/// sequence. If its client leaves or its deadline passes before, the thread that encodes is interrupted.
///
/// Threading: one thread encodes, another reads, and any thread may close it.
final class LongPrompt implements Generation, Runnable {
    private static final Generation CANCELLED = new Ended(FinishReason.CANCELLED);
    private static final Generation TIMED_OUT = new Ended(FinishReason.TIMEOUT);

    private final Supplier<Sequence> encoding;
    private final Predicate<LongPrompt> withdraw;
    private final CompletableFuture<Generation> outcome = new CompletableFuture<>();
    private HeldMemory memory = HeldMemory.UNCOUNTED;
    /// The thread that encodes. It is only interrupted while it does, under the lock of this prompt.
    private @Nullable Thread thread;

    /// The result if the generation ended before its sequence existed.
    private record Ended(FinishReason reason) implements Generation {
        @Override
        public Iterator<GenerationEvent> iterator() {
            return List.<GenerationEvent>of(new GenerationEvent.Finished(reason, 0, 0))
                    .iterator();
        }

        @Override
        public void close() {}
    }

    /// @param encoding makes the sequence and puts it into the waiting queue
    /// @param withdraw removes this prompt from those that wait to be encoded
    /// @param left until the deadline
    LongPrompt(Supplier<Sequence> encoding, Predicate<LongPrompt> withdraw, Duration left) {
        this.encoding = encoding;
        this.withdraw = withdraw;
        var _ = outcome.completeOnTimeout(TIMED_OUT, left.toNanos(), TimeUnit.NANOSECONDS)
                .thenAccept(this::stopEncoding);
    }

    private void stopEncoding(Generation generation) {
        if (generation instanceof Ended) {
            var _ = withdraw.test(this);
            synchronized (this) {
                if (thread != null) {
                    thread.interrupt();
                }
            }
        }
    }

    private synchronized void setThread(@Nullable Thread encoder) {
        thread = encoder;
    }

    @Override
    public void run() {
        setThread(Thread.currentThread());
        if (outcome.isDone()) {
            setThread(null);
            return;
        }
        try {
            var sequence = encoding.get();
            if (!outcome.complete(sequence)) {
                sequence.close();
            }
        } catch (Throwable e) {
            outcome.completeExceptionally(e);
        } finally {
            setThread(null);
            // The thread goes on to the next prompt.
            var _ = Thread.interrupted();
        }
    }

    /// The tokens count once they are known.
    @Override
    public void countIn(HeldMemory held) {
        memory = held;
    }

    @Override
    public void awaitAccepted() {
        try {
            outcome.get().countIn(memory);
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

    /// The sequence, once the prompt is encoded; otherwise why there is none.
    Generation outcome() {
        return outcome.join();
    }

    @Override
    public Iterator<GenerationEvent> iterator() {
        return outcome.join().iterator();
    }

    @Override
    public int promptTokens() {
        return outcome.join().promptTokens();
    }

    @Override
    public @Nullable Timings timings() {
        return outcome.join().timings();
    }

    @Override
    public void close() {
        if (!outcome.complete(CANCELLED) && !outcome.isCompletedExceptionally()) {
            outcome.join().close();
        }
    }
}
