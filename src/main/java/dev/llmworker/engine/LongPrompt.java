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
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// A generation whose prompt waits to be encoded or is being encoded, or whose formats are compiled then. Afterwards it
/// delegates to the resulting sequence. If its client leaves or its deadline passes before, the thread that encodes or
/// compiles is interrupted.
///
/// Threading: one thread encodes, then one compiles, another reads, and any thread may close it.
final class LongPrompt implements Generation, Runnable {
    private static final Generation CANCELLED = new Ended(FinishReason.CANCELLED);
    private static final Generation TIMED_OUT = new Ended(FinishReason.TIMEOUT);

    private final Encoding encoding;
    private final Consumer<LongPrompt> compilers;
    private final Predicate<LongPrompt> withdraw;
    private final CompletableFuture<Generation> outcome = new CompletableFuture<>();
    private HeldMemory memory = HeldMemory.UNCOUNTED;
    private long heldBytes;
    /// The thread that encodes or compiles. It is only interrupted while it does, under the lock of this prompt.
    private @Nullable Thread thread;
    /// Whether the prompt is encoded, and its formats are not compiled.
    private boolean mustCompile;

    /// Makes a sequence and puts it into the waiting queue, in one stage or in two.
    interface Encoding {
        /// Encodes the prompt.
        ///
        /// @return null if formats must be compiled first, which may take long
        @Nullable
        Sequence encode();

        /// Compiles the formats of the prompt that was encoded.
        default Sequence compile() {
            throw new IllegalStateException("nothing is left to compile");
        }

        /// How many bytes the encoded prompt takes until its formats are compiled.
        default long heldBytes() {
            return 0;
        }
    }

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

    /// @param compilers runs this prompt once more, on a thread that compiles
    /// @param withdraw removes this prompt from those that wait
    /// @param left until the deadline
    LongPrompt(Encoding encoding, Consumer<LongPrompt> compilers, Predicate<LongPrompt> withdraw, Duration left) {
        this.encoding = encoding;
        this.compilers = compilers;
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
        try {
            if (!outcome.isDone()) {
                next();
            }
        } catch (Throwable e) {
            outcome.completeExceptionally(e);
        } finally {
            setThread(null);
            // The thread goes on to the next prompt.
            var _ = Thread.interrupted();
        }
        if (mustCompile && !outcome.isDone()) {
            passOn();
        }
    }

    private void next() {
        var sequence = mustCompile ? encoding.compile() : encoding.encode();
        mustCompile = sequence == null;
        if (sequence != null && !outcome.complete(sequence)) {
            sequence.close();
        }
    }

    private void passOn() {
        hold(encoding.heldBytes());
        try {
            compilers.accept(this);
        } catch (RefusedException e) {
            outcome.completeExceptionally(e);
        }
    }

    private synchronized void hold(long bytes) {
        memory.add(bytes - heldBytes);
        heldBytes = bytes;
    }

    /// The tokens count once they are known.
    @Override
    public synchronized void countIn(HeldMemory held) {
        memory = held;
        memory.add(heldBytes);
    }

    @Override
    public void awaitAccepted() {
        try {
            var sequence = outcome.get();
            // The sequence counts them.
            hold(0);
            sequence.countIn(memory);
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
