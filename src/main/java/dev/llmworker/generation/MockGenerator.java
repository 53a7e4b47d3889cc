package dev.llmworker.generation;

import java.time.Duration;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;

/// Answers without a model, so that load tests see the same kind of stream as clients of a real model. The answer
/// is `Response to: 'PROMPT' (tokens=N, temp=T, request #n)`, spread evenly over exactly `max_tokens` tokens.
///
/// Threading: any thread; a generation runs on its reader's thread.
public final class MockGenerator implements Generator {
    /// Limits an answer, because the mock has no context that would.
    public static final int MAX_TOKENS = 1_000_000;

    private final AtomicLong requests = new AtomicLong();
    private final Duration timeout;
    private final LongSupplier clock;

    /// A mock without a deadline.
    public MockGenerator() {
        this(Duration.ofDays(1), System::nanoTime);
    }

    /// @param timeout of a generation, from submission to the end
    /// @param clock in nanoseconds
    public MockGenerator(Duration timeout, LongSupplier clock) {
        this.timeout = timeout;
        this.clock = clock;
    }

    @Override
    public Generation submit(GenerationRequest request) {
        var maxTokens = maxTokens(request);
        if (maxTokens > MAX_TOKENS) {
            throw refused(
                    "max_tokens_too_large",
                    "max_tokens is " + maxTokens + "; the mock generates at most " + MAX_TOKENS);
        }
        var format = request.format();
        if (format != null) {
            throw refused("invalid_request", format.field() + " is not supported by the mock, which has no model");
        }
        var parts = request.parts();
        if (parts != null && parts.tools().isRequired()) {
            throw refused(
                    "invalid_request",
                    "tool_choice requires a call, which is not supported by the mock, which has no model");
        }
        var prompt = switch (request.prompt()) {
            case Prompt.Raw(var text) -> text;
            case Prompt.Chat chat ->
                chat.messages().isEmpty() ? "" : chat.messages().getLast().content();
        };
        var text = "Response to: '" + prompt + "' (tokens=" + maxTokens + ", temp="
                + request.sampling().temperature() + ", request #" + requests.incrementAndGet() + ")";
        return new MockGeneration(text, words(prompt), maxTokens, clock, clock.getAsLong() + timeout.toNanos());
    }

    private static RefusedException refused(String code, String message) {
        return new RefusedException(RefusedException.Reason.INVALID, code, message);
    }

    /// Uses the default if `max_tokens` is not set: the maximum would be a million.
    private static int maxTokens(GenerationRequest request) {
        return request.maxTokens().orElse(GenerationRequest.DEFAULT_MAX_TOKENS);
    }

    @Override
    public Readiness readiness() {
        return new Readiness.Ready();
    }

    @Override
    public Optional<String> modelId() {
        return Optional.of("mock");
    }

    @Override
    public void close() {}

    private static int words(String prompt) {
        var stripped = prompt.strip();
        return stripped.isEmpty() ? 0 : stripped.split("\\s+").length;
    }

    /// One answer, which makes each token when it is read.
    ///
    /// Threading: the reader's thread; any thread may close it.
    private static final class MockGeneration implements Generation, Iterator<GenerationEvent> {
        private final String text;
        private final long characters;
        private final int promptTokens;
        private final int maxTokens;
        private final LongSupplier clock;
        private final long deadlineNanos;
        private volatile boolean closed;
        private int index;
        private int offset;
        private boolean finished;

        MockGeneration(String text, int promptTokens, int maxTokens, LongSupplier clock, long deadlineNanos) {
            this.clock = clock;
            this.deadlineNanos = deadlineNanos;
            this.text = text;
            this.characters = text.codePointCount(0, text.length());
            this.promptTokens = promptTokens;
            this.maxTokens = maxTokens;
        }

        @Override
        public int promptTokens() {
            return promptTokens;
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
            if (finished) {
                throw new NoSuchElementException("the answer has been read to its end");
            }
            if (Thread.currentThread().isInterrupted()) {
                closed = true;
            }
            var late = clock.getAsLong() - deadlineNanos >= 0;
            if (index < maxTokens && !closed && !late) {
                return token();
            }
            finished = true;
            return new GenerationEvent.Finished(reason(), promptTokens, index);
        }

        private FinishReason reason() {
            if (index == maxTokens) {
                return FinishReason.LENGTH;
            }
            return closed ? FinishReason.CANCELLED : FinishReason.TIMEOUT;
        }

        private GenerationEvent token() {
            // Counts code points, so that no token splits a surrogate pair.
            var count = (int) ((index + 1) * characters / maxTokens - index * characters / maxTokens);
            var end = text.offsetByCodePoints(offset, count);
            var token = new GenerationEvent.Token(index, text.substring(offset, end));
            offset = end;
            index++;
            return token;
        }

        @Override
        public void close() {
            closed = true;
        }
    }
}
