package dev.llmworker.engine;

import dev.llmworker.engine.vectors.TextBatches;
import dev.llmworker.engine.vectors.TextRequest;
import dev.llmworker.engine.vectors.Work;
import dev.llmworker.generation.Answer;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Generator;
import dev.llmworker.generation.Lease;
import dev.llmworker.generation.ModelTokens;
import dev.llmworker.generation.ModelVectors;
import dev.llmworker.generation.Prompt;
import dev.llmworker.generation.Readiness;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.generation.Share;
import dev.llmworker.generation.Task;
import dev.llmworker.generation.VectorEvent;
import dev.llmworker.model.DecoderDescription;
import dev.llmworker.model.decoder.Decoder;
import dev.llmworker.model.decoder.Encoder;
import dev.llmworker.model.decoder.OutOfMemoryException;
import dev.llmworker.stats.Count;
import dev.llmworker.stats.EngineStats;
import dev.llmworker.text.tools.Tool;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.ThreadFactory;
import java.util.function.BiPredicate;
import java.util.function.IntSupplier;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Generates in this process: one engine thread loads the model, then decodes for all sequences together. If the model
/// is served for vectors, the thread runs texts instead.
///
/// Threading: any thread submits. The caller's thread encodes a short prompt. [LongPrompts] encodes long
/// prompts, those that a chat template renders, and those whose answer has a format, which it compiles. Only the engine
/// thread touches the decoder.
public final class InProcessGenerator implements Generator, ModelTokens, ModelVectors {
    private static final Logger LOG = LoggerFactory.getLogger(InProcessGenerator.class);
    /// The system may run some other thread first, so one yield for each hop is not always enough.
    private static final int YIELDS = 4;
    /// They compute masks while the decoder's threads run, so they take a part of the processors only.
    private static final int MASK_THREADS = Math.clamp(Runtime.getRuntime().availableProcessors() / 2, 1, 8);

    /// How long the engine thread may take to end its last step.
    private static final Duration END = Duration.ofSeconds(10);

    private static final ThreadFactory MASK_THREAD =
            Thread.ofPlatform().name("mask-", 0).daemon().factory();

    private final Limits limits;
    private final LongSupplier clock;
    private final EngineStats stats;
    private final Throughput throughput;
    private final LongPrompts formats = LongPrompts.formats();
    private final LongPrompts longPrompts = new LongPrompts(formats);
    private final LongPrompts conversations = LongPrompts.conversations(formats);
    private final Thread engine;
    private volatile Readiness readiness = new Readiness.Loading();
    private volatile @Nullable Loaded loaded;
    private volatile boolean closing;
    /// 0 once `close` has interrupted the engine.
    private final CountDownLatch interrupted = new CountDownLatch(1);
    /// How long cached prefixes may be written when it closes.
    private volatile Supplier<Duration> storing = () -> Duration.ZERO;

    /// @param queueLimit how many requests may wait; null for [#QUEUE_PER_SLOT] for each slot
    /// @param timeout from submission to the end
    /// @param rest how long there must be no request before the decoder may release memory
    /// @param sharesPrefixes whether requests reuse cached prefixes of all others, whatever their salt
    /// @param speculates whether draft tokens are tried
    public record Limits(
            @Nullable Integer queueLimit, Duration timeout, Duration rest, boolean sharesPrefixes, boolean speculates) {
        static final int QUEUE_PER_SLOT = 4;
        private static final Duration REST = Duration.ofMinutes(2);

        public Limits(@Nullable Integer queueLimit, Duration timeout) {
            this(queueLimit, timeout, false, true);
        }

        public Limits(@Nullable Integer queueLimit, Duration timeout, boolean sharesPrefixes, boolean speculates) {
            this(queueLimit, timeout, REST, sharesPrefixes, speculates);
        }

        int queueLimit(int slots) {
            return queueLimit == null ? QUEUE_PER_SLOT * slots : queueLimit;
        }
    }

    /// @param texts if the model makes vectors; otherwise it generates
    private record Loaded(
            LanguageModel model,
            WaitingQueue waiting,
            Admissions admissions,
            @Nullable TextBatches texts) {}

    private InProcessGenerator(
            LanguageModel.Loader loader, Limits limits, LongSupplier clock, EngineStats stats, LoadListener listener) {
        this.limits = limits;
        this.clock = clock;
        this.stats = stats;
        this.throughput = new Throughput(clock);
        this.engine = Thread.ofPlatform().name("engine").daemon().unstarted(() -> run(loader, listener));
    }

    /// Starts the engine thread, which loads the model. Requests are refused until the model is loaded.
    ///
    /// @param stats receives the engine's figures
    /// @param listener hears when the first request is accepted, and when the engine has failed
    public static InProcessGenerator start(
            LanguageModel.Loader loader, Limits limits, LongSupplier clock, EngineStats stats, LoadListener listener) {
        var generator = new InProcessGenerator(loader, limits, clock, stats, listener);
        generator.engine.start();
        return generator;
    }

    @Override
    public Readiness readiness() {
        return readiness;
    }

    @Override
    public Optional<String> modelId() {
        var current = loaded;
        return current == null ? Optional.empty() : Optional.of(current.model.id());
    }

    @Override
    public Generation submit(GenerationRequest request) {
        return submit(request, clock.getAsLong(), WaitingQueue::offer);
    }

    @Override
    public Generation submitBeside(Generation accepted, GenerationRequest request) {
        return switch (begun(accepted)) {
            case Sequence first ->
                submit(request, first.deadlineNanos() - limits.timeout().toNanos(), WaitingQueue::offerBeyondLimit);
            case Generation ended -> ended;
        };
    }

    @Override
    public Generation submitChoice(Generation accepted, GenerationRequest request) {
        return switch (begun(accepted)) {
            case Sequence first -> {
                var current = ready();
                var choice = current.admissions.choice(request, first, current.waiting, (ended, _) -> finished(ended));
                yield enqueue(choice, current, WaitingQueue::offerBeyondLimit);
            }
            case Generation ended -> ended;
        };
    }

    /// The sequence of an accepted generation, unless it ended before it had one.
    private static Generation begun(Generation accepted) {
        return accepted instanceof LongPrompt prompt ? prompt.outcome() : accepted;
    }

    /// @throws RefusedException if the model is served for another task
    private Loaded readyFor(Task task) {
        var current = ready();
        var served = current.model.task();
        if (served != task) {
            throw new RefusedException(
                    RefusedException.Reason.INVALID,
                    "task_not_served",
                    "this worker serves \"" + current.model.id() + "\", which " + served.words() + " (TASK="
                            + served.name().toLowerCase(Locale.ROOT) + "); it does not serve "
                            + task.name().toLowerCase(Locale.ROOT) + " requests");
        }
        return current;
    }

    private Loaded ready() {
        var current = loaded;
        switch (readiness) {
            case Readiness.Loading() ->
                throw new RefusedException(
                        RefusedException.Reason.LOADING, "loading", "the model is still loading; try again shortly");
            case Readiness.Failed(String reason) ->
                throw new RefusedException(RefusedException.Reason.FAILED, "engine_failed", reason);
            case Readiness.Ready() -> {}
        }
        if (current == null) {
            throw new IllegalStateException("ready without a model");
        }
        return current;
    }

    /// @param submittedNanos when the client's request came
    /// @param offer puts the sequence into the queue
    private Generation submit(
            GenerationRequest request, long submittedNanos, BiPredicate<WaitingQueue, Sequence> offer) {
        var current = readyFor(Task.GENERATE);
        var left = limits.timeout().minusNanos(clock.getAsLong() - submittedNanos);
        if (LongPrompts.isLong(request)) {
            return longPrompts.encode(encoding(request, submittedNanos, current, offer), left);
        }
        if (LongPrompts.hasFormat(request)
                || request.prompt() instanceof Prompt.Chat
                        && current.model.prompts().rendersTemplate()) {
            return conversations.encode(encoding(request, submittedNanos, current, offer), left);
        }
        var sequence = sequence(current.admissions.prepare(request), submittedNanos, current);
        return enqueue(sequence, current, offer);
    }

    /// It runs on threads that are interrupted when nobody waits for the prompt any more.
    private LongPrompt.Encoding encoding(
            GenerationRequest request, long submittedNanos, Loaded current, BiPredicate<WaitingQueue, Sequence> offer) {
        return new LongPrompt.Encoding() {
            private Admissions.@Nullable Prepared prepared;

            @Override
            public @Nullable Sequence encode() {
                var made = current.admissions.prepare(request);
                if (!current.admissions.isCompiled(made)) {
                    prepared = made;
                    return null;
                }
                return whileWanted(made);
            }

            @Override
            public Sequence compile() {
                return whileWanted(Objects.requireNonNull(prepared));
            }

            @Override
            public long heldBytes() {
                return (long) Integer.BYTES
                        * Objects.requireNonNull(prepared).conversation().ids().length;
            }

            private Sequence whileWanted(Admissions.Prepared made) {
                var sequence = sequence(made, submittedNanos, current);
                if (Thread.currentThread().isInterrupted()) {
                    throw new CancellationException("the generation ended while its prompt was encoded");
                }
                return enqueue(sequence, current, offer);
            }
        };
    }

    @Override
    public Future<int[]> encode(Prompt prompt, Beginning beginning, List<Tool> tools) {
        var current = ready();
        Callable<int[]> encoding = () -> current.admissions.tokens(prompt, beginning, tools);
        if (LongPrompts.isLong(prompt, tools, null)) {
            return longPrompts.submit(encoding);
        }
        if (prompt instanceof Prompt.Chat && current.model.prompts().rendersTemplate()) {
            return conversations.submit(encoding);
        }
        return encodedHere(encoding);
    }

    private static <T> Future<T> encodedHere(Callable<T> encoding) {
        var here = new FutureTask<T>(encoding);
        here.run();
        return here;
    }

    @Override
    public void checkServes(Task task) {
        var _ = readyFor(task);
    }

    @Override
    public int dimensions() {
        return encoder(ready()).dimensions();
    }

    @Override
    public int vocabularySize() {
        return ready().model.tokenizer().vocabularySize();
    }

    @Override
    public int longestText() {
        return contextLength();
    }

    @Override
    public <T> Future<T> encode(long characters, Callable<T> encoding) {
        return LongPrompts.isLong(characters) ? longPrompts.submit(encoding) : encodedHere(encoding);
    }

    @Override
    public int[] encodeText(String name, String text) {
        return readyFor(Task.EMBED).admissions.textTokens(name, text);
    }

    @Override
    public int[] encodeQuery(String instruction, String query) {
        return readyFor(Task.RERANK).admissions.queryTokens(instruction, query);
    }

    @Override
    public int[] encodeDocument(String name, String document) {
        return readyFor(Task.RERANK).admissions.documentTokens(name, document);
    }

    private static Encoder encoder(Loaded current) {
        return Objects.requireNonNull(current.model.encoder(), "the model makes no vectors");
    }

    @Override
    public Answer<VectorEvent> vectors(List<int[]> texts, Share share) {
        var current = ready();
        var batches = batches(current);
        var request = new TextRequest(texts, share, limits.timeout().toNanos(), clock, _ -> throughput.ended());
        throughput.began();
        try (var present = Lease.of(throughput::withdrawn)) {
            if (!batches.offer(request)) {
                throw refusal(batches, share, current);
            }
            present.keep();
            return request;
        }
    }

    @Override
    public void checkAccepts(Share share) {
        var current = ready();
        var batches = batches(current);
        if (!batches.hasRoom(share)) {
            throw refusal(batches, share, current);
        }
    }

    private static TextBatches batches(Loaded current) {
        return Objects.requireNonNull(current.texts, "the model makes no vectors");
    }

    private RefusedException refusal(TextBatches batches, Share share, Loaded current) {
        var limit = limits.queueLimit(slots(current));
        return batches.isShareUsedUp(share)
                ? shareUsedUp(batches.waiting(), limit, "waiting or running")
                : refusal(batches.isShut(), batches.waiting(), limit);
    }

    private static int slots(Loaded current) {
        return current.model.decoder().description().slots();
    }

    @Override
    public String decode(List<Integer> tokens) {
        return ready().admissions.text(tokens);
    }

    @Override
    public long textBytes(List<Integer> tokens) {
        return ready().admissions.textBytes(tokens);
    }

    @Override
    public int contextLength() {
        return ready().model.decoder().description().contextLength();
    }

    private Sequence sequence(Admissions.Prepared prepared, long submittedNanos, Loaded current) {
        return current.admissions.sequence(prepared, submittedNanos, current.waiting, (ended, _) -> finished(ended));
    }

    private Sequence enqueue(Sequence sequence, Loaded current, BiPredicate<WaitingQueue, Sequence> offer) {
        throughput.began();
        try (var present = Lease.of(throughput::withdrawn)) {
            if (!offer.test(current.waiting, sequence)) {
                throw refusal(current.waiting, sequence.share());
            }
            // From now on it ends with the sequence.
            present.keep();
            return sequence;
        }
    }

    private RefusedException refusal(WaitingQueue waiting, Share share) {
        return !waiting.isShut() && waiting.isShareUsedUp(share)
                ? shareUsedUp(waiting.size(), waiting.limit(), "already waiting")
                : refusal(waiting.isShut(), waiting.size(), waiting.limit());
    }

    private RefusedException shareUsedUp(int waiting, int limit, String where) {
        var seconds = retrySeconds(waiting);
        return new RefusedException(
                RefusedException.Reason.LIMITED,
                "share_used_up",
                Count.of(limit, "request") + (limit == 1 ? " is " : " are ") + where
                        + ", which is the limit, and this API key has its share of them; try again in "
                        + seconds + " s",
                seconds);
    }

    private int retrySeconds(int waiting) {
        var mostSeconds = (int) Math.clamp(limits.timeout().toSeconds(), 1, Integer.MAX_VALUE);
        return throughput.secondsFor(Math.max(1, waiting), mostSeconds);
    }

    private RefusedException refusal(boolean isShut, int waiting, int limit) {
        if (isShut) {
            return new RefusedException(RefusedException.Reason.FAILED, "engine_stopped", "the engine has stopped");
        }
        var seconds = retrySeconds(waiting);
        return new RefusedException(
                RefusedException.Reason.OVERLOADED,
                "queue_full",
                (limit == 0
                                ? "no slot is free and QUEUE_LIMIT is 0, so no request waits"
                                : Count.of(limit, "request") + (limit == 1 ? " is" : " are")
                                        + " already waiting, which is the limit")
                        + "; try again in " + seconds + " s",
                seconds);
    }

    private void finished(Sequence sequence) {
        throughput.ended();
        stats.recordReused(sequence.reused());
    }

    /// How many requests wait, run, or have their prompt encoded.
    int underWay() {
        return throughput.present() + longPrompts.underWay() + conversations.underWay() + formats.underWay();
    }

    private void run(LanguageModel.Loader loader, LoadListener listener) {
        LanguageModel model;
        try {
            model = loader.load();
        } catch (Throwable e) {
            loadFailed(e, listener);
            return;
        }
        try (var decoder = model.decoder();
                var maskThreads = Executors.newFixedThreadPool(MASK_THREADS, MASK_THREAD)) {
            var waiting =
                    new WaitingQueue(limits.queueLimit(decoder.description().slots()));
            var admissions = new Admissions(model, limits.timeout(), limits.sharesPrefixes(), clock);
            var encoder = model.encoder();
            if (encoder == null) {
                var scheduler = new Scheduler(
                        decoder,
                        model.tokenizer()::isEndOfSequence,
                        waiting,
                        clock,
                        stats,
                        maskThreads,
                        limits.speculates(),
                        model.prefixes());
                ready(new Loaded(model, waiting, admissions, null), waiting::size, listener);
                runUntilClosed(new Decoding(scheduler, waiting), decoder);
            } else {
                var slots = decoder.description().slots();
                var texts = new TextBatches(encoder, slots, waiting.limit(), clock, stats);
                ready(new Loaded(model, waiting, admissions, texts), texts::waiting, listener);
                runUntilClosed(texts, decoder);
            }
        } catch (Throwable e) {
            // Without this the engine thread would be gone, and the worker would still look ready.
            failed(e);
        }
        if (!closing) {
            listener.broken("the engine has failed");
        }
    }

    private void ready(Loaded current, IntSupplier waiting, LoadListener listener) {
        stats.recordReady(description(current.model.decoder().description(), current.waiting.limit()), waiting);
        loaded = current;
        readiness = new Readiness.Ready();
        listener.loaded(current.model);
    }

    private void failed(Throwable e) {
        readiness = new Readiness.Failed("the engine has failed");
        LOG.error("the engine failed and serves no further requests", e);
        var current = loaded;
        if (current != null) {
            current.waiting.shut().forEach(sequence -> sequence.finish(FinishReason.ERROR));
            if (current.texts != null) {
                current.texts.endAll(FinishReason.ERROR);
            }
        }
    }

    private static EngineStats.Description description(DecoderDescription decoder, int queueLimit) {
        return new EngineStats.Description(
                decoder.architecture(),
                decoder.weightFormat(),
                decoder.device(),
                decoder.slots(),
                decoder.contextLength(),
                decoder.kvCacheTokens(),
                decoder.kvCacheBytes(),
                decoder.kvCacheBytesByKind(),
                queueLimit);
    }

    private void runUntilClosed(Work work, Decoder decoder) {
        var reason = FinishReason.CANCELLED;
        try {
            boolean more = false;
            while (!closing && (more || awaitWork(work, decoder))) {
                long begun = clock.getAsLong();
                more = work.step();
                stats.recordStep(clock.getAsLong() - begun);
                letReadersRun();
            }
        } catch (InterruptedException _) {
            // `close` interrupts the engine to wake it.
        } catch (Throwable e) {
            // A decoder that failed once may have a broken cache. If it went on, one client could get another's
            // text.
            LOG.error("the engine failed and serves no further requests", e);
            reason = FinishReason.ERROR;
        }
        readiness = new Readiness.Failed(
                reason == FinishReason.ERROR ? "the engine has failed" : "the worker is shutting down");
        if (closing) {
            awaitInterrupt();
        }
        var failed = reason == FinishReason.ERROR;
        work.endAll(reason, () -> failed || !storing.get().isPositive());
    }

    /// The interrupt that wakes the engine would close the files of cached prefixes if it came while they are written.
    private void awaitInterrupt() {
        while (interrupted.getCount() > 0) {
            try {
                interrupted.await();
            } catch (InterruptedException _) {
                // That is the one.
            }
        }
        var _ = Thread.interrupted();
    }

    /// Lets the threads that pass a token on run: first its reader's thread, then the event loop. The decoder's
    /// threads may occupy all processors. Each of the two would then wait for the end of a time slice, which is
    /// as long as a step of a small model.
    private static void letReadersRun() {
        for (int i = 0; i < YIELDS; i++) {
            Thread.yield();
        }
    }

    private boolean awaitWork(Work work, Decoder decoder) throws InterruptedException {
        if (work.staysEmpty(limits.rest())) {
            decoder.rest();
        }
        return work.awaitWork();
    }

    private void loadFailed(Throwable e, LoadListener listener) {
        if (closing) {
            readiness = new Readiness.Failed("the worker is shutting down");
            return;
        }
        // The operator gets a message. A stack trace is logged only for our own bugs, not for a bad file, option
        // or connection.
        var cause = e instanceof ExecutionException && e.getCause() != null ? e.getCause() : e;
        var reason = String.valueOf(cause.getMessage());
        if (cause instanceof IOException
                || cause instanceof IllegalArgumentException
                || cause instanceof OutOfMemoryException) {
            LOG.error("the model cannot be loaded: {}", reason);
        } else {
            LOG.error("the model cannot be loaded", e);
            reason = cause.toString();
        }
        readiness = new Readiness.Failed("the model could not be loaded");
        listener.failed("the model cannot be loaded: " + reason);
    }

    @Override
    public void closeWithin(Supplier<Duration> left) {
        storing = left;
        close();
    }

    @Override
    public void close() {
        closing = true;
        longPrompts.close();
        conversations.close();
        formats.close();
        engine.interrupt();
        interrupted.countDown();
        boolean wasInterrupted = false;
        try {
            engine.join(END.plus(storing.get()));
        } catch (InterruptedException _) {
            wasInterrupted = true;
        }
        if (wasInterrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
