package dev.llmworker.engine.vectors;

import dev.llmworker.engine.queue.FairQueue;
import dev.llmworker.engine.queue.Job;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Share;
import dev.llmworker.model.decoder.Encoder;
import dev.llmworker.model.decoder.OutOfMemoryException;
import dev.llmworker.model.decoder.PromptPart;
import dev.llmworker.stats.Count;
import dev.llmworker.stats.EngineStats;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The texts that wait for vectors and those that run. A step takes tokens of several texts, up to what the model
/// takes at once.
///
/// - The next text is of the owner which has had the fewest tokens for its weight, as [FairQueue] says. Requests of an
///   owner take turns: each gives one text at a time, so a request of a thousand texts does not hold up one of one.
/// - A text that is longer than a step runs in several, and keeps its slot in between. One such text runs at a time. It
///   takes half of each step, and what the shorter texts beside it leave. With one slot, others wait for its end.
///
/// Threading: any thread offers; only the engine thread steps.
public final class TextBatches implements Work {
    private static final Logger LOG = LoggerFactory.getLogger(TextBatches.class);

    private final Encoder encoder;
    private final int slots;
    private final int limit;
    private final LongSupplier clock;
    private final EngineStats stats;
    /// The next text of each request that has texts left. The lock of this object guards it.
    private final FairQueue<Text> turns = new FairQueue<>();

    /// All requests that have not ended. A request that has begun counts until its end: with many texts it still waits.
    private final List<TextRequest> present = new ArrayList<>();

    private boolean shut;
    // Only the engine thread touches these.
    private final List<Text> running = new ArrayList<>();
    private final BitSet taken = new BitSet();

    /// A text that waits, or that is in its slot.
    private static final class Text implements Job {
        final TextRequest request;
        final int index;
        final int[] ids;
        int slot = -1;
        int done;
        float @Nullable [] sum;

        /// The next text of a request.
        Text(TextRequest request) {
            this.request = request;
            index = request.begun();
            ids = request.text(index);
        }

        @Override
        public Share share() {
            return request.share();
        }

        @Override
        public long work() {
            return ids.length;
        }

        int left() {
            return ids.length - done;
        }

        /// The next tokens, which become its own positions.
        PromptPart next(int tokens) {
            var part = new PromptPart(slot, Arrays.copyOfRange(ids, done, done + tokens), done);
            done += tokens;
            return part;
        }

        boolean isRead() {
            return done == ids.length;
        }

        /// The part has not run: it is to run again.
        void takeBack(PromptPart part) {
            done -= part.ids().length;
        }

        /// Adds what the model has of a part.
        void add(float[] pooled, boolean isMean) {
            var before = sum;
            if (before == null || !isMean) {
                sum = pooled;
                return;
            }
            for (var i = 0; i < pooled.length; i++) {
                before[i] += pooled[i];
            }
        }

        float[] pooled(boolean isMean) {
            var whole = sum;
            if (whole == null) {
                throw new IllegalStateException("a text of no tokens");
            }
            var pooled = whole.clone();
            if (isMean) {
                for (var i = 0; i < pooled.length; i++) {
                    pooled[i] /= ids.length;
                }
            }
            return pooled;
        }
    }

    /// @param limit how many requests there may be, beside one for each slot
    public TextBatches(Encoder encoder, int slots, int limit, LongSupplier clock, EngineStats stats) {
        this.encoder = encoder;
        // Texts that share a step may change each other's last bits.
        this.slots = encoder.isMixed() ? 1 : slots;
        this.limit = limit;
        this.clock = clock;
        this.stats = stats;
    }

    /// @return false if there are too many requests, or if it is shut
    public synchronized boolean offer(TextRequest request) {
        if (!hasRoom(request.share())) {
            return false;
        }
        present.add(request);
        turns.add(new Text(request));
        notifyAll();
        return true;
    }

    /// Whether a request of this owner would be taken now. If others fill the queue, an owner still has its share of
    /// it.
    public synchronized boolean hasRoom(Share share) {
        present.removeIf(TextRequest::hasEnded);
        return !shut && (present.size() < limit + slots || turns.isBelowShare(share, limit));
    }

    /// Whether a request is refused because its owner has its share of the queue, which others need as well.
    public synchronized boolean isShareUsedUp(Share share) {
        return !shut && limit > 0 && turns.hasOthers(share);
    }

    /// How many requests wait for their first text to begin.
    public synchronized int waiting() {
        return (int) turns.jobs().filter(text -> !text.request.hasBegun()).count();
    }

    public synchronized boolean isShut() {
        return shut;
    }

    @Override
    public synchronized boolean awaitWork() throws InterruptedException {
        while (turns.size() == 0 && !shut) {
            wait();
        }
        return !shut;
    }

    @Override
    public synchronized boolean staysEmpty(Duration duration) throws InterruptedException {
        var end = System.nanoTime() + duration.toNanos();
        while (turns.size() == 0 && !shut) {
            var millis = Math.ceilDiv(end - System.nanoTime(), 1_000_000L);
            if (millis <= 0) {
                return true;
            }
            wait(millis);
        }
        return false;
    }

    @Override
    public boolean step() {
        endClosedAndExpired();
        begin();
        if (!running.isEmpty()) {
            run();
        }
        stats.recordHeld(
                running.size(), running.stream().mapToInt(text -> text.done).sum());
        return hasMore();
    }

    private synchronized boolean hasMore() {
        present.removeIf(TextRequest::hasEnded);
        return !running.isEmpty() || turns.size() > 0;
    }

    private void endClosedAndExpired() {
        var now = clock.getAsLong();
        for (var request : all()) {
            var reason = request.ending(now);
            if (reason != null) {
                request.finish(reason);
            }
        }
        synchronized (this) {
            turns.removeAll(text -> text.request.hasEnded());
        }
        running.removeIf(text -> text.request.hasEnded() && drop(text));
    }

    private synchronized List<TextRequest> all() {
        return List.copyOf(present);
    }

    /// A text leaves without its vector. What it has in its slot may not be finite, and would spoil later texts there.
    private boolean drop(Text text) {
        encoder.clearSlot(text.slot, text.ids.length);
        return leaves(text);
    }

    private synchronized boolean leaves(Text text) {
        taken.clear(text.slot);
        turns.ended(text);
        return true;
    }

    private boolean isLong(int[] ids) {
        return ids.length > encoder.stepTokens() && !encoder.takesWholeTexts();
    }

    /// How many tokens of a text the next step should have.
    private int share(Text text) {
        return isLong(text.ids) ? Math.min(text.left(), Math.ceilDiv(encoder.stepTokens(), 2)) : text.left();
    }

    /// Takes the text whose turn it is. Until a long text ends, other long ones keep their turns.
    private synchronized @Nullable Text pollTurn() {
        var longRuns = running.stream().anyMatch(text -> text.left() > share(text));
        var next = turns.poll(text -> !longRuns || !isLong(text.ids));
        if (next != null) {
            next.request.begin();
            if (next.request.hasTextLeft()) {
                turns.addNext(new Text(next.request));
            }
        }
        return next;
    }

    /// Takes as many texts as a step has room for.
    private void begin() {
        var tokens = running.stream().mapToLong(this::share).sum();
        while (running.size() < slots && tokens < encoder.stepTokens()) {
            var text = pollTurn();
            if (text == null) {
                return;
            }
            text.slot = taken.nextClearBit(0);
            taken.set(text.slot);
            running.add(text);
            tokens += share(text);
        }
    }

    private void run() {
        var tokens = shares();
        var parts = new ArrayList<PromptPart>();
        var texts = new ArrayList<Text>();
        for (var i = 0; i < tokens.length; i++) {
            if (tokens[i] > 0) {
                parts.add(running.get(i).next(tokens[i]));
                texts.add(running.get(i));
            }
        }
        if (!parts.isEmpty()) {
            encode(texts, parts);
        }
        give(running.stream().filter(Text::isRead).toList());
    }

    /// How many tokens of each running text the next step has. A long text gets what the others leave.
    private int[] shares() {
        var tokens = new int[running.size()];
        var room = encoder.stepTokens();
        for (var i = 0; i < tokens.length; i++) {
            var share = share(running.get(i));
            tokens[i] = share > room && encoder.takesWholeTexts() ? 0 : Math.min(share, room);
            room -= tokens[i];
        }
        for (var i = 0; i < tokens.length && room > 0; i++) {
            if (isLong(running.get(i).ids)) {
                var more = Math.min(running.get(i).left() - tokens[i], room);
                tokens[i] += more;
                room -= more;
            }
        }
        return tokens;
    }

    private void encode(List<Text> texts, List<PromptPart> parts) {
        float[][] pooled;
        try {
            pooled = encoder.encode(parts);
        } catch (OutOfMemoryException e) {
            for (var i = 0; i < texts.size(); i++) {
                texts.get(i).takeBack(parts.get(i));
            }
            shed(e, texts, encoder.canRepeatSteps() ? List.of(texts.getLast()) : texts);
            return;
        }
        stats.recordTokens(parts.stream().mapToInt(part -> part.ids().length).sum(), 0);
        for (var i = 0; i < texts.size(); i++) {
            texts.get(i).add(pooled[i], encoder.isMean());
        }
    }

    /// Gives the vectors of texts that have run, whose slots are free then.
    private void give(List<Text> texts) {
        if (texts.isEmpty()) {
            return;
        }
        float[][] vectors;
        try {
            vectors = encoder.project(
                    texts.stream().map(text -> text.pooled(encoder.isMean())).toArray(float[][]::new));
        } catch (OutOfMemoryException e) {
            shed(e, texts, List.of(texts.getLast()));
            return;
        }
        for (var i = 0; i < vectors.length; i++) {
            var text = texts.get(i);
            if (isFinite(vectors[i])) {
                text.request.give(text.index, vectors[i]);
                leaves(text);
            } else {
                LOG.error("a request for vectors ends, because the model's numbers are not finite");
                text.request.finish(FinishReason.ERROR);
                drop(text);
            }
        }
        running.removeAll(texts);
    }

    private static boolean isFinite(float[] vector) {
        for (var value : vector) {
            if (!Float.isFinite(value)) {
                return false;
            }
        }
        return true;
    }

    /// Memory ran out in a call. Some requests end, so that the others can go on: the next step tries again without
    /// those.
    ///
    /// @param ended texts of theirs: the newest, or all if the call cannot be repeated
    private void shed(OutOfMemoryException e, List<Text> texts, List<Text> ended) {
        encoder.recover();
        LOG.error(
                "memory ran out in a call of {}, so {} ended: {}",
                Count.of(texts.size(), "text"),
                ended.size() == 1 ? "the request of the newest" : "their requests",
                e.getMessage());
        // They leave before the next step.
        ended.forEach(text -> text.request.finish(FinishReason.ERROR));
    }

    @Override
    public void endAll(FinishReason reason) {
        synchronized (this) {
            shut = true;
            notifyAll();
            turns.clear();
        }
        running.clear();
        taken.clear();
        all().forEach(request -> request.finish(reason));
    }
}
