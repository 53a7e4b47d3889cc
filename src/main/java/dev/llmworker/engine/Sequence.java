package dev.llmworker.engine;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.ScoredToken;
import dev.llmworker.generation.Timings;
import dev.llmworker.sampling.Logprobs;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.sampling.TokenHistory;
import dev.llmworker.text.Detokenizer;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
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
    private final int minTokens;
    private final boolean ignoreEos;
    private final SamplingParameters sampling;
    private final long deadlineNanos;
    private final LongSupplier clock;
    private final long submittedNanos;
    private final @Nullable TokenHistory history;
    private final Detokenizer detokenizer;
    private final @Nullable TokenScorer scorer;
    private final StopFilter outlet;
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
    private long queuedNanos = -1;
    private long firstTokenNanos = -1;
    private long totalNanos;
    private volatile boolean closed;

    Sequence(Admission admission, Detokenizer detokenizer, WaitingQueue queue, LongSupplier clock, FinishListener end) {
        this(admission, LogitProcessing.NONE, detokenizer, queue, clock, end);
    }

    Sequence(
            Admission admission,
            LogitProcessing steering,
            Detokenizer detokenizer,
            WaitingQueue queue,
            LongSupplier clock,
            FinishListener end) {
        this.id = admission.id();
        this.ids = admission.prompt();
        this.promptLength = ids.length;
        this.newestToken = ids[promptLength - 1];
        this.tokenLimit = admission.tokenLimit();
        this.minTokens = steering.minTokens();
        this.ignoreEos = admission.ignoreEos();
        this.sampling = admission.sampling();
        this.clock = clock;
        this.submittedNanos = clock.getAsLong();
        this.deadlineNanos = submittedNanos + admission.timeoutNanos();
        this.history = steering.history();
        this.scorer = steering.scorer();
        this.detokenizer = detokenizer;
        this.outlet = new StopFilter(steering.stop(), events::add);
        this.queue = queue;
        this.listener = end;
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

    /// Of a sequence whose logits are adjusted or whose log-probabilities are wanted.
    @Nullable
    TokenHistory history() {
        return history;
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

    /// The engine begins with it.
    void begin() {
        queuedNanos = sinceSubmitted();
    }

    /// The next `count` ids of the prompt, for the decoder.
    int[] nextOfPrompt(int count) {
        return Arrays.copyOfRange(ids, prefilled, prefilled + count);
    }

    /// The next `count` positions of the prompt are in the cache.
    ///
    /// @param asAlone they were computed by a call of their own, as they are whenever the prompt comes alone
    void prefilled(int count, boolean asAlone) {
        if (asAlone && prefilled == exact) {
            exact += count;
        }
        prefilled += count;
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

    /// The one to decode next; before the first step, the last of the prompt.
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
    /// @param logprobs its own and the likeliest ones', where the sequence wants them
    /// @return why the sequence ends with it, or null if it goes on
    @Nullable
    FinishReason accept(int token, boolean endOfSequence, @Nullable Logprobs logprobs) {
        if (endOfSequence && !ignoreEos) {
            return FinishReason.STOP;
        }
        if (generated == 0) {
            firstTokenNanos = sinceSubmitted();
        }
        newestToken = token;
        int length = promptLength + generated;
        if (length == ids.length) {
            ids = Arrays.copyOf(ids, length + Math.min(tokenLimit - generated, Math.max(64, length / 2)));
        }
        ids[length] = token;
        var last = generated + 1 == tokenLimit;
        var text = detokenizer.push(token);
        var scores = scorer == null || logprobs == null ? List.<ScoredToken>of() : scorer.scores(token, logprobs);
        var event = new GenerationEvent.Token(generated, last ? text + detokenizer.flush() : text, scores);
        generated = generated + 1;
        if (history != null) {
            history.add(token);
        }
        if (outlet.add(event, generated >= minTokens)) {
            return FinishReason.STOP;
        }
        return last ? FinishReason.LENGTH : null;
    }

    /// The last event. Called once, by whoever took the sequence out of the queue or out of its slot.
    void finish(FinishReason reason) {
        totalNanos = sinceSubmitted();
        listener.finished(this, reason);
        outlet.flush();
        events.add(new GenerationEvent.Finished(reason, promptLength, generated));
    }

    private long sinceSubmitted() {
        return clock.getAsLong() - submittedNanos;
    }

    boolean isExpired(long nowNanos) {
        return nowNanos - deadlineNanos >= 0;
    }

    boolean isClosed() {
        return closed;
    }

    // --- the reader's side

    @Override
    public Timings timings() {
        return new Timings(reused, queuedNanos, firstTokenNanos, totalNanos);
    }

    @Override
    public void close() {
        closed = true;
        if (queue.remove(this)) {
            finish(FinishReason.CANCELLED);
        }
    }

    @Override
    public Iterator<GenerationEvent> iterator() {
        return new EventIterator(events, () -> {
            close();
            return new GenerationEvent.Finished(FinishReason.CANCELLED, promptLength, generated);
        });
    }
}
