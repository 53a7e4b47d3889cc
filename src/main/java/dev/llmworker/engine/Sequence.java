package dev.llmworker.engine;

import dev.llmworker.constraint.ConstraintException;
import dev.llmworker.constraint.ConstraintState;
import dev.llmworker.engine.queue.Job;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.Lease;
import dev.llmworker.generation.PrefixHold;
import dev.llmworker.generation.ScoredToken;
import dev.llmworker.generation.Share;
import dev.llmworker.generation.Timings;
import dev.llmworker.generation.memory.EventReader;
import dev.llmworker.generation.memory.HeldEvents;
import dev.llmworker.generation.memory.HeldMemory;
import dev.llmworker.sampling.Logprobs;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.sampling.TokenHistory;
import dev.llmworker.text.Detokenizer;
import dev.llmworker.text.chat.PromptEncoder;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executor;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A request being decoded: its prompt, its cached part, and what has been generated.
///
/// Threading: the engine thread owns it. Its reader takes events and may close it; any other thread may close it.
final class Sequence implements Generation, Job {
    /// Is called when a sequence has ended, by the thread that ended it.
    @FunctionalInterface
    interface FinishListener {
        void finished(Sequence sequence, FinishReason reason);
    }

    private static final Logger LOG = LoggerFactory.getLogger(Sequence.class);

    private final long id;
    private final PromptEncoder.Conversation conversation;
    private final int promptLength;
    private final String cacheSalt;
    private final Share share;
    private final @Nullable PrefixHold hold;
    private final int tokenLimit;
    private final int minTokens;
    private final boolean ignoreEos;
    private final Map<Integer, String> stopTokens;
    private final SamplingParameters sampling;
    private final long deadlineNanos;
    private final LongSupplier clock;
    private final long submittedNanos;
    private final Detokenizer detokenizer;
    private final @Nullable TokenScorer scorer;
    private final @Nullable PartedAnswer answer;
    private final NextTokens nextTokens = new NextTokens();
    private final Drafts drafts = new Drafts();
    private final FormatMemory formatMemory;
    private final StopFilter outlet;
    private final WaitingQueue queue;
    private final FinishListener listener;
    // Never holds more than tokenLimit + 1 events, so the engine never waits for a reader.
    private final HeldEvents<GenerationEvent> events = new HeldEvents<>();

    private @Nullable TokenHistory history;
    private @Nullable ConstraintState constraint;
    /// The prompt's ids, then the generated ones; the array may be longer.
    private int[] ids;

    /// How many ids are prefilled: the prompt's, and those generated before the sequence lost its room.
    private int prefillLength;
    private int prefilled;
    private boolean preempted;
    private boolean hasReused;
    /// The number of sequences that were taken before it.
    private long taken;
    private volatile int reused;
    private int exact;
    private int decoded;
    /// Positions of the prompt at which the decoder keeps its state.
    private List<Integer> kept = List.of();
    private volatile int generated;
    private int newestToken;
    /// The stop sequence that names the token which ended the answer.
    private @Nullable String stopName;
    /// What is wrong with the request, if that shows only now.
    private @Nullable String fault;
    private long queuedNanos = -1;
    private long firstTokenNanos = -1;
    private long totalNanos;
    private volatile boolean closed;

    Sequence(Admission admission, Detokenizer detokenizer, WaitingQueue queue, LongSupplier clock, FinishListener end) {
        this.id = admission.id();
        this.conversation = new PromptEncoder.Conversation(admission.prompt(), admission.start());
        this.ids = admission.prompt();
        this.promptLength = ids.length;
        this.prefillLength = promptLength;
        this.newestToken = ids[promptLength - 1];
        this.cacheSalt = admission.cacheSalt();
        this.share = admission.share();
        this.hold = admission.hold();
        this.tokenLimit = admission.tokenLimit();
        this.minTokens = admission.minTokens();
        this.ignoreEos = admission.ignoreEos();
        this.stopTokens = admission.stopTokens();
        this.sampling = admission.sampling();
        this.clock = clock;
        this.submittedNanos = clock.getAsLong();
        this.deadlineNanos = submittedNanos + admission.timeoutNanos();
        this.history = admission.history();
        this.scorer = admission.scorer();
        this.constraint = admission.constraint();
        this.answer = admission.answer();
        this.formatMemory = new FormatMemory(admission.constraints());
        this.detokenizer = detokenizer;
        this.outlet = new StopFilter(admission.stop(), events::add);
        this.queue = queue;
        this.listener = end;
    }

    // --- called by the engine thread

    long id() {
        return id;
    }

    /// Only sequences with the same salt share cached prefixes.
    String cacheSalt() {
        return cacheSalt;
    }

    /// Keeps its prefix when it has ended; null if nothing does.
    @Nullable
    PrefixHold hold() {
        return hold;
    }

    SamplingParameters sampling() {
        return sampling;
    }

    /// How many ids must be in the cache before it decodes: those of the prompt, and those that were generated before
    /// it was
    /// preempted.
    int prefillLength() {
        return prefillLength;
    }

    /// How many positions it may have in the end.
    int mostPositions() {
        return promptLength + tokenLimit;
    }

    /// The engine takes it from the queue.
    ///
    /// @param before how many were taken before it
    void taken(long before) {
        taken = before;
    }

    long taken() {
        return taken;
    }

    /// It loses what it has in the cache. All of its ids so far are prefilled again; then it goes on where it was.
    void preempt() {
        preempted = true;
        prefillLength = promptLength + generated;
        beginAnew();
    }

    /// Nothing of it is in the cache.
    void beginAnew() {
        prefilled = 0;
        decoded = 0;
        exact = 0;
        kept = List.of();
    }

    int prefilled() {
        return prefilled;
    }

    int promptLeft() {
        return prefillLength - prefilled;
    }

    /// The history for the decoder; null if logits are not adjusted and log-probabilities are not requested.
    @Nullable
    TokenHistory history() {
        return history;
    }

    /// The first `positions` of the prompt are already in its slot.
    ///
    /// @param exact as [#exact()]
    void reuse(int positions, int exact) {
        this.prefilled = positions;
        hasReused |= positions > 0;
        if (!preempted) {
            this.reused = positions;
        }
        this.exact = exact;
    }

    /// How many positions came from the prefix cache.
    int reused() {
        return reused;
    }

    /// Whether any positions came from there, also after it was preempted.
    boolean hasReused() {
        return hasReused;
    }

    /// The engine starts to work on the sequence.
    void begin() {
        queuedNanos = queuedNanos < 0 ? sinceSubmitted() : queuedNanos;
    }

    /// The next `count` ids of the prompt, for the decoder.
    int[] nextOfPrompt(int count) {
        return Arrays.copyOfRange(ids, prefilled, prefilled + count);
    }

    /// Records that the next `count` positions of the prompt are in the cache.
    ///
    /// @param asAlone whether a call of their own computed them, as for a prompt that comes alone
    void prefilled(int count, boolean asAlone) {
        if (asAlone && prefilled == exact) {
            exact += count;
        }
        prefilled += count;
    }

    /// The number of positions in the cache.
    int cached() {
        return Math.max(prefilled, decoded);
    }

    /// @param positions of the prompt at which the decoder keeps its state, ascending
    void keepAt(List<Integer> positions) {
        kept = positions;
    }

    /// How many of the next `count` tokens come before the next position that is kept.
    int untilKept(int count) {
        for (var position : kept) {
            if (position > prefilled) {
                return Math.min(count, position - prefilled);
            }
        }
        return count;
    }

    boolean isAtKept() {
        return kept.contains(prefilled);
    }

    /// How many cached positions, from 0 on, were filled by whole chunks, as those of a prompt that comes alone.
    int exact() {
        return exact;
    }

    /// All token ids: cached and pending. The array may be longer.
    int[] ids() {
        return ids;
    }

    /// The token to decode next; before the first step, the last of the prompt.
    int newestToken() {
        return newestToken;
    }

    /// The position of the newest token. It equals the number of cached positions, as the newest is not cached
    /// yet.
    int newestPosition() {
        return promptLength + generated - 1;
    }

    int generated() {
        return generated;
    }

    /// Looks for what may follow the newest token.
    ///
    /// @return how likely the first guess is right; 0 if there is none
    double lookForDrafts() {
        drafts.look(ids, promptLength + generated);
        return drafts.rightShare();
    }

    /// How many draft tokens may go with the next step.
    int mostDrafts(int contextLength) {
        return mayDraft() ? Math.min(tokenLimit - generated, contextLength - newestPosition()) - 1 : 0;
    }

    /// Whether a token can be chosen before the one in front of it is known. It cannot if that one decides which are
    /// allowed.
    boolean mayDraft() {
        return constraint == null && (history == null || history.allowed() == null);
    }

    /// What may follow the newest token, after [#lookForDrafts()].
    int[] drafts(int count) {
        return drafts.tokens(ids, count);
    }

    /// Takes one sampled token.
    ///
    /// @param logprobs its log-probability and those of the likeliest tokens, if the request asked for them
    /// @return why the sequence ends with this token, or null if it continues
    @Nullable
    FinishReason accept(int token, boolean endOfSequence, @Nullable Logprobs logprobs) {
        decoded = newestPosition() + 1;
        if (nextTokens.problem() instanceof ConstraintException problem) {
            return endedByFormat(problem);
        }
        if (endOfSequence && !ignoreEos || stopTokens.containsKey(token)) {
            var name = stopTokens.get(token);
            stopName = name == null || name.isEmpty() ? null : name;
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
        var scores = scorer == null || logprobs == null ? List.<ScoredToken>of() : scorer.scores(token, logprobs);
        if (history != null) {
            history.add(token);
        }
        var event = event(token, scores);
        if (event == null) {
            return FinishReason.ERROR;
        }
        generated = generated + 1;
        if (outlet.add(event, generated >= minTokens)) {
            return FinishReason.STOP;
        }
        if (constraint != null && constraint.isFinished()) {
            return FinishReason.STOP;
        }
        return last ? FinishReason.LENGTH : null;
    }

    /// The token as its reader gets it; null if its format does not allow it, or cannot go on.
    private GenerationEvent.@Nullable Token event(int token, List<ScoredToken> scores) {
        try {
            if (constraint != null && !constraint.advance(token)) {
                LOG.error("sequence {} took token {}, which its format does not allow", id, token);
                return null;
            }
            var text = detokenizer.push(token);
            if (answer == null) {
                return new GenerationEvent.Token(generated, text, scores);
            }
            var parts = answer.push(token, text);
            steer(answer.constraint());
            return new GenerationEvent.Token(generated, PartedAnswer.content(parts), scores, parts);
        } catch (ConstraintException e) {
            endedByFormat(e);
            return null;
        }
    }

    /// From now on another constraint holds for the tokens; null for none.
    private void steer(@Nullable ConstraintState next) {
        if (next == constraint) {
            return;
        }
        constraint = next;
        if (history == null) {
            history = new TokenHistory(Arrays.copyOf(ids, promptLength + generated + 1), 0, new int[0]);
        }
        var free = answer == null ? null : answer.unconstrained();
        history.allow(() -> free);
    }

    /// Finds which tokens its constraint allows in the next step. Called for each running sequence: until the tokens of
    /// that step are taken, the engine thread does not use the constraints.
    ///
    /// @param threads compute a mask that is not known yet
    void prepareStep(Executor threads) {
        if (constraint != null && history != null) {
            nextTokens.find(constraint, history, threads);
        }
    }

    private FinishReason endedByFormat(ConstraintException problem) {
        fault = "the answer's format cannot be enforced any further: " + problem.getMessage();
        return FinishReason.ERROR;
    }

    private GenerationEvent.Finished finished(FinishReason reason) {
        // The last parts may complete a stop sequence, though the limit was reached.
        var parts = outlet.last(answer == null ? List.of() : answer.end());
        var isStopped = reason == FinishReason.STOP || reason == FinishReason.LENGTH && outlet.found() != null;
        var isOfCalls = answer != null && isStopped && answer.hasCalls();
        return new GenerationEvent.Finished(
                isOfCalls ? FinishReason.TOOL_CALLS : isStopped ? FinishReason.STOP : reason,
                promptLength,
                generated,
                fault,
                fault != null,
                answer == null ? 0 : answer.reasoningTokens(),
                parts,
                !isStopped ? null : stopName == null ? outlet.found() : stopName);
    }

    /// Adds the last event. Called once, by the thread that took the sequence out of the queue or out of its
    /// slot.
    void finish(FinishReason reason) {
        // From the last to the first, each happens whatever the others throw.
        try (var _ = Lease.of(() -> events.add(finished(reason)));
                var _ = Lease.of(formatMemory::end);
                var _ = Lease.of(() -> listener.finished(this, reason))) {
            totalNanos = sinceSubmitted();
            queue.ended(this);
        }
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

    // --- called by any thread

    @Override
    public Share share() {
        return share;
    }

    /// How many tokens the engine works on for it, as far as is known by now: those of its prompt that are not cached,
    /// and the generated ones. A generated token counts twice, because it takes a step.
    @Override
    public long work() {
        return (long) promptLength - reused + 2L * generated;
    }

    /// The prompt, which never changes.
    PromptEncoder.Conversation conversation() {
        return conversation;
    }

    long deadlineNanos() {
        return deadlineNanos;
    }

    // --- called by the reader

    @Override
    public void countIn(HeldMemory memory) {
        memory.take((long) promptLength * (history == null ? 1 : 2) * Integer.BYTES);
        events.countIn(memory);
        formatMemory.countIn(memory);
    }

    @Override
    public int promptTokens() {
        return promptLength;
    }

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
        return new EventReader<>(
                events,
                this::close,
                () -> new GenerationEvent.Finished(FinishReason.CANCELLED, promptLength, generated));
    }
}
