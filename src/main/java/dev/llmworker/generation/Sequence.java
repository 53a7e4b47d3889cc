package dev.llmworker.generation;

import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.text.Detokenizer;
import java.util.Arrays;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// A request being decoded: its prompt, what of it is in the cache, and what has been generated.
///
/// Threading: the engine thread owns it. Its reader takes events and may close it; any other thread may close it.
final class Sequence implements Generation {
    private final long id;
    private final int promptLength;
    private final int tokenLimit;
    private final boolean ignoreEos;
    private final SamplingParameters sampling;
    private final long deadlineNanos;
    private final LongSupplier clock;
    private final long submittedNanos;
    private final Detokenizer detokenizer;
    private final WaitingQueue queue;
    private final FinishListener listener;
    // Never holds more than tokenLimit + 1 events, so the engine never waits for a reader.
    private final LinkedBlockingQueue<GenerationEvent> events = new LinkedBlockingQueue<>();

    /// The prompt's, then the generated ones; as long as it has become or longer.
    private int[] ids;

    private int prefilled;
    private int reused;
    private int exact;
    private volatile int generated;
    private int newestToken;
    private long firstTokenNanos;
    private volatile boolean closed;
    private volatile int generatedAtClose = -1;

    Sequence(Admission admission, Detokenizer detokenizer, WaitingQueue queue, LongSupplier clock, FinishListener end) {
        this.id = admission.id();
        this.ids = admission.prompt();
        this.promptLength = ids.length;
        this.tokenLimit = admission.tokenLimit();
        this.ignoreEos = admission.ignoreEos();
        this.sampling = admission.sampling();
        this.clock = clock;
        this.submittedNanos = clock.getAsLong();
        this.deadlineNanos = submittedNanos + admission.timeoutNanos();
        this.detokenizer = detokenizer;
        this.queue = queue;
        this.listener = end;
    }

    /// What a request is once it is checked against the model.
    ///
    /// @param tokenLimit the most tokens to generate; with the prompt they fit into the context
    record Admission(
            long id, int[] prompt, int tokenLimit, boolean ignoreEos, SamplingParameters sampling, long timeoutNanos) {}

    /// Hears that a sequence has ended. Threading: the thread that ended it.
    interface FinishListener {
        void finished(Sequence sequence, FinishReason reason);
    }

    // --- the engine thread's side

    long id() {
        return id;
    }

    SamplingParameters sampling() {
        return sampling;
    }

    int promptLength() {
        return promptLength;
    }

    int prefilled() {
        return prefilled;
    }

    int promptLeft() {
        return promptLength - prefilled;
    }

    /// Its beginning, so many positions, lies in its slot already.
    ///
    /// @param exact as [#exact()]
    void reuse(int positions, int exact) {
        this.prefilled = positions;
        this.reused = positions;
        this.exact = exact;
    }

    /// Positions that did not have to be computed.
    int reused() {
        return reused;
    }

    /// The next `count` ids of the prompt, for the decoder; counts them as cached.
    int[] takePrompt(int count, int grid) {
        var chunk = Arrays.copyOfRange(ids, prefilled, prefilled + count);
        if (prefilled == exact && count == grid) {
            exact += grid;
        }
        prefilled += count;
        return chunk;
    }

    /// Positions in the cache.
    int cached() {
        return generated == 0 ? prefilled : newestPosition();
    }

    /// Of the positions in the cache those from 0 on that whole chunks of the grid have filled.
    int exact() {
        return exact;
    }

    /// Those in the cache and after it; the array may be longer than that.
    int[] ids() {
        return ids;
    }

    int newestToken() {
        return newestToken;
    }

    /// Position of the newest token, which is also the number of positions in the cache: the newest is not there yet.
    int newestPosition() {
        return promptLength + generated - 1;
    }

    int generated() {
        return generated;
    }

    /// Takes one sampled token.
    ///
    /// @return why the sequence ends with it, or null if it goes on
    @Nullable
    FinishReason accept(int token, boolean endOfSequence) {
        if (endOfSequence && !ignoreEos) {
            return FinishReason.STOP;
        }
        if (generated == 0) {
            firstTokenNanos = clock.getAsLong();
        }
        newestToken = token;
        int length = promptLength + generated;
        if (length == ids.length) {
            ids = Arrays.copyOf(ids, length + Math.min(tokenLimit - generated, Math.max(64, length / 2)));
        }
        ids[length] = token;
        var last = generated + 1 == tokenLimit;
        var text = detokenizer.push(token);
        events.add(new GenerationEvent.Token(generated, last ? text + detokenizer.flush() : text));
        generated = generated + 1;
        return last ? FinishReason.LENGTH : null;
    }

    /// The last event. Called once, by whoever took the sequence out of the queue or out of its slot.
    void finish(FinishReason reason) {
        listener.finished(this, reason);
        events.add(new GenerationEvent.Finished(reason, promptLength, generated));
    }

    boolean isExpired(long nowNanos) {
        return nowNanos - deadlineNanos >= 0;
    }

    boolean isClosed() {
        return closed;
    }

    /// Tokens that were generated although nobody wanted them any more.
    int wasted() {
        return generatedAtClose < 0 ? 0 : generated - generatedAtClose;
    }

    /// Milliseconds from submission to the first token, or -1 if there is none.
    long firstTokenMillis() {
        return generated == 0 ? -1 : (firstTokenNanos - submittedNanos) / 1_000_000;
    }

    long elapsedMillis() {
        return (clock.getAsLong() - submittedNanos) / 1_000_000;
    }

    // --- the reader's side

    @Override
    public void close() {
        synchronized (this) {
            if (closed) {
                return;
            }
            generatedAtClose = generated;
            closed = true;
        }
        if (queue.remove(this)) {
            finish(FinishReason.CANCELLED);
        }
    }

    @Override
    public Iterator<GenerationEvent> iterator() {
        return new Iterator<>() {
            private boolean ended;

            @Override
            public boolean hasNext() {
                return !ended;
            }

            @Override
            public GenerationEvent next() {
                if (ended) {
                    throw new NoSuchElementException("the generation has finished");
                }
                var event = take();
                ended = event instanceof GenerationEvent.Finished;
                return event;
            }
        };
    }

    private GenerationEvent take() {
        try {
            return events.take();
        } catch (InterruptedException _) {
            close();
            Thread.currentThread().interrupt();
            return new GenerationEvent.Finished(FinishReason.CANCELLED, promptLength, generated);
        }
    }
}
