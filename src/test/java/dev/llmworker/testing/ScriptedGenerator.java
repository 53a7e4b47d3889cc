package dev.llmworker.testing;

import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Generator;
import dev.llmworker.generation.Prompt;
import dev.llmworker.generation.Readiness;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.generation.ScoredToken;
import dev.llmworker.generation.memory.HeldEvents;
import dev.llmworker.generation.memory.HeldMemory;
import dev.llmworker.text.answer.AnswerPart;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/// A generator whose generations do what the test says: it takes each as it is submitted, and emits.
public final class ScriptedGenerator implements Generator {
    private final BlockingQueue<Script> submitted = new LinkedBlockingQueue<>();
    public volatile Readiness readiness = new Readiness.Ready();
    public volatile @Nullable RefusedException refusal;
    /// Thrown in the place of an answer: a bug.
    public volatile @Nullable Error failure;

    @Override
    public Generation submit(GenerationRequest request) {
        var failed = failure;
        if (failed != null) {
            throw failed;
        }
        var refused = refusal;
        if (refused != null) {
            throw refused;
        }
        var script = new Script(request);
        submitted.add(script);
        return script;
    }

    /// The next generation that was accepted.
    public Script next() throws InterruptedException {
        var script = submitted.poll(TestSocket.TIMEOUT_SECONDS, TimeUnit.SECONDS);
        assertNotNull(script, "nothing was submitted");
        return script;
    }

    public boolean hasNone() {
        return submitted.isEmpty();
    }

    @Override
    public Readiness readiness() {
        return readiness;
    }

    @Override
    public Optional<String> modelId() {
        return Optional.of("scripted");
    }

    @Override
    public void close() {}

    /// One generation. Endless ones make a token each time one is asked for, until they are closed.
    public static final class Script implements Generation, Iterator<GenerationEvent> {
        public final GenerationRequest request;
        public final AtomicLong read = new AtomicLong();
        private final HeldEvents<GenerationEvent> events = new HeldEvents<>();
        private final CountDownLatch closed = new CountDownLatch(1);
        /// Whether the test says when it ends after it was closed, as an engine in the middle of a step does.
        public volatile boolean lingers;

        private volatile boolean endless;
        private volatile @Nullable Thread reader;
        private int index;
        private boolean finished;

        Script(GenerationRequest request) {
            this.request = request;
        }

        public String prompt() {
            return switch (request.prompt()) {
                case Prompt.Raw(var text) -> text;
                case Prompt.Chat chat -> chat.messages().getLast().content();
            };
        }

        public Script emit(String text) {
            events.add(new GenerationEvent.Token(index++, text));
            return this;
        }

        public Script emit(String text, List<ScoredToken> scores) {
            events.add(new GenerationEvent.Token(index++, text, scores));
            return this;
        }

        /// Emits a token that adds these parts to the answer.
        public Script emit(AnswerPart... parts) {
            events.add(new GenerationEvent.Token(index++, "", List.of(), List.of(parts)));
            return this;
        }

        public void finish(FinishReason reason, int reasoningTokens, AnswerPart... parts) {
            events.add(new GenerationEvent.Finished(reason, 3, index, null, false, reasoningTokens, List.of(parts)));
        }

        public void finish(FinishReason reason) {
            events.add(new GenerationEvent.Finished(reason, 3, index));
        }

        public void endless() {
            endless = true;
            emit("first");
        }

        public void awaitClosed() throws InterruptedException {
            assertTrue(closed.await(TestSocket.TIMEOUT_SECONDS, TimeUnit.SECONDS), "the generation was not closed");
        }

        public boolean isClosed() {
            return closed.getCount() == 0;
        }

        /// Whether the worker has stopped reading though there are events left: its thread waits elsewhere.
        public boolean readerWaits() {
            var thread = reader;
            return thread != null && !events.isEmpty() && thread.getState() == Thread.State.WAITING;
        }

        @Override
        public void countIn(HeldMemory memory) {
            events.countIn(memory);
        }

        @Override
        public Iterator<GenerationEvent> iterator() {
            return this;
        }

        @Override
        public boolean hasNext() {
            return !finished;
        }

        @Override
        public GenerationEvent next() {
            reader = Thread.currentThread();
            try {
                if (endless && events.isEmpty() && closed.getCount() > 0) {
                    emit("more");
                }
                var event = events.take();
                read.incrementAndGet();
                finished = event instanceof GenerationEvent.Finished;
                return event;
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }

        @Override
        public void close() {
            if (!lingers) {
                finish(FinishReason.CANCELLED);
            }
            closed.countDown();
        }
    }
}
