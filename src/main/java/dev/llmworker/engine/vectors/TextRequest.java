package dev.llmworker.engine.vectors;

import dev.llmworker.generation.Answer;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.Share;
import dev.llmworker.generation.Timings;
import dev.llmworker.generation.VectorEvent;
import dev.llmworker.generation.memory.EventReader;
import dev.llmworker.generation.memory.HeldEvents;
import dev.llmworker.generation.memory.HeldMemory;
import java.util.Iterator;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// The texts of a request, whose vectors are wanted.
///
/// Threading: the engine thread takes texts and gives vectors. Its reader takes events. Any thread may close it.
public final class TextRequest implements Answer<VectorEvent> {
    private final List<int[]> texts;
    private final Share share;
    private final long submittedNanos;
    private final long deadlineNanos;
    private final LongSupplier clock;
    private final Consumer<TextRequest> end;
    private final HeldEvents<VectorEvent> events = new HeldEvents<>();
    private int begun;
    private int done;
    private long queuedNanos = -1;
    private long firstNanos = -1;
    private volatile long totalNanos;
    private volatile boolean closed;
    private boolean finished;

    /// @param share whose it is
    /// @param timeoutNanos from now to the deadline
    /// @param end is called when it has ended, by the thread that ended it
    public TextRequest(
            List<int[]> texts, Share share, long timeoutNanos, LongSupplier clock, Consumer<TextRequest> end) {
        this.texts = List.copyOf(texts);
        this.share = share;
        this.clock = clock;
        this.end = end;
        submittedNanos = clock.getAsLong();
        deadlineNanos = submittedNanos + timeoutNanos;
    }

    // What the engine thread does.

    boolean hasTextLeft() {
        return begun < texts.size();
    }

    boolean hasBegun() {
        return begun > 0;
    }

    /// The number of the text that begins next.
    int begun() {
        return begun;
    }

    /// The next text begins now.
    void begin() {
        if (begun++ == 0) {
            queuedNanos = clock.getAsLong() - submittedNanos;
        }
    }

    Share share() {
        return share;
    }

    int[] text(int index) {
        return texts.get(index);
    }

    /// Takes the vector of a text, unless it has ended by another text of it.
    void give(int index, float[] vector) {
        if (hasEnded()) {
            return;
        }
        if (done++ == 0) {
            firstNanos = clock.getAsLong() - submittedNanos;
        }
        events.add(new VectorEvent.Vector(index, vector));
        if (done == texts.size()) {
            finish(FinishReason.STOP);
        }
    }

    /// Why it must end although texts are left; null if it need not.
    @Nullable
    FinishReason ending(long nowNanos) {
        if (closed) {
            return FinishReason.CANCELLED;
        }
        return nowNanos - deadlineNanos >= 0 ? FinishReason.TIMEOUT : null;
    }

    /// Ends it, unless it has ended.
    synchronized void finish(FinishReason reason) {
        if (finished) {
            return;
        }
        finished = true;
        totalNanos = clock.getAsLong() - submittedNanos;
        events.add(new GenerationEvent.Finished(reason, promptTokens(), 0));
        end.accept(this);
    }

    synchronized boolean hasEnded() {
        return finished;
    }

    // What its reader does.

    @Override
    public void countIn(HeldMemory memory) {
        // Its tokens count with who has submitted them.
        events.countIn(memory);
    }

    @Override
    public int promptTokens() {
        return Math.toIntExact(texts.stream().mapToLong(text -> text.length).sum());
    }

    @Override
    public Timings timings() {
        return new Timings(0, queuedNanos, firstNanos, totalNanos);
    }

    @Override
    public Iterator<VectorEvent> iterator() {
        return new EventReader<>(
                events, this::close, () -> new GenerationEvent.Finished(FinishReason.CANCELLED, promptTokens(), 0));
    }

    /// Its texts are dropped before the next step.
    @Override
    public void close() {
        closed = true;
    }
}
