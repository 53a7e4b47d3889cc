package dev.llmworker.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationEvent.Finished;
import dev.llmworker.generation.GenerationEvent.Token;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Prompt;
import dev.llmworker.generation.Readiness;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.model.decoder.DecodeBatch;
import dev.llmworker.model.decoder.Decoder;
import dev.llmworker.model.decoder.PromptSizes;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.stats.EngineStats;
import dev.llmworker.testing.Await;
import dev.llmworker.text.chat.PromptEncoder;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(180)
class InProcessGeneratorTest {
    private static final int CONTEXT = 64;

    private @Nullable InProcessGenerator started;
    private LongSupplier clock = System::nanoTime;

    @AfterEach
    void close() {
        if (started != null) {
            started.close();
        }
    }

    private InProcessGenerator start(Decoder decoder, @Nullable Integer queueLimit) throws InterruptedException {
        return start(decoder, queueLimit, new CompletableFuture<>());
    }

    private static LanguageModel model(Decoder decoder) {
        var tokenizer = new LetterTokenizer();
        return new LanguageModel(decoder, tokenizer, new PromptEncoder(tokenizer, null));
    }

    /// @param broken gets the reason if the engine fails
    private InProcessGenerator start(Decoder decoder, @Nullable Integer queueLimit, CompletableFuture<String> broken)
            throws InterruptedException {
        var generator = InProcessGenerator.start(
                () -> model(decoder),
                new InProcessGenerator.Limits(queueLimit, Duration.ofMinutes(1)),
                clock,
                new EngineStats(),
                new LoadListener() {
                    @Override
                    public void loaded(LanguageModel model) {}

                    @Override
                    public void broken(String reason) {
                        broken.complete(reason);
                    }
                });
        started = generator;
        Await.until("the model is loaded", () -> !(generator.readiness() instanceof Readiness.Loading));
        return generator;
    }

    private static GenerationRequest request(String prompt, OptionalInt maxTokens) {
        return new GenerationRequest(new Prompt.Raw(prompt), maxTokens, SamplingParameters.greedy(), true);
    }

    private static Finished read(Generation generation, StringBuilder text) {
        @Nullable Finished end = null;
        for (var event : generation) {
            switch (event) {
                case Token token -> text.append(token.text());
                case Finished finished -> end = finished;
            }
        }
        return Objects.requireNonNull(end);
    }

    @Test
    void theTextIsWhatTheModelSays() throws Exception {
        var generator = start(new FakeDecoder(4, CONTEXT), null);
        var text = new StringBuilder();
        try (var generation = generator.submit(request("hello", OptionalInt.of(20)))) {
            assertEquals(new Finished(FinishReason.LENGTH, 5, 20), read(generation, text));
        }
        var expected = FakeDecoder.expected("hello".chars().toArray(), SamplingParameters.greedy(), 20, true);
        assertEquals(LetterTokenizer.letters(expected, 20), text.toString());
    }

    @Test
    void aChoiceReusesThePromptAndAFullQueueDoesNotRefuseIt() throws Exception {
        var decoder = new FakeDecoder(1, 512);
        var generator = start(decoder, 0);
        var prompt = "prompt ".repeat(30);
        try (var first = generator.submit(request(prompt, OptionalInt.of(4)))) {
            var firstText = new StringBuilder();
            var choice = generator.submitChoice(first, request(prompt, OptionalInt.of(6)));
            read(first, firstText);
            var text = new StringBuilder();
            try (choice) {
                assertEquals(new Finished(FinishReason.LENGTH, prompt.length(), 6), read(choice, text));
                assertEquals(
                        PromptSizes.OF_CPU.alone(),
                        Objects.requireNonNull(choice.timings()).cachedTokens());
            }
            assertTrue(text.toString().startsWith(firstText.toString()), "the same greedy text");
            assertEquals(2 * prompt.length() - PromptSizes.OF_CPU.alone(), decoder.promptTokens);
        }
    }

    @Test
    void theAnswersOfARequestHaveOneDeadline() throws Exception {
        var now = new AtomicLong();
        clock = now::get;
        var generator = start(new FakeDecoder(2, CONTEXT), null);
        try (var first = generator.submit(request("one", OptionalInt.of(4)))) {
            now.addAndGet(Duration.ofSeconds(20).toNanos());
            try (var choice = generator.submitChoice(first, request("one", OptionalInt.of(4)));
                    var other = generator.submitBeside(first, request("two", OptionalInt.of(4)))) {
                var deadline = ((Sequence) first).deadlineNanos();
                assertEquals(deadline, ((Sequence) choice).deadlineNanos());
                assertEquals(deadline, ((Sequence) other).deadlineNanos());
            }
        }
    }

    @Test
    void anAnswerWithoutMaxTokensStopsWhereTheContextEnds() throws Exception {
        var generator = start(new FakeDecoder(1, CONTEXT), null);
        try (var generation = generator.submit(request("hello", OptionalInt.empty()))) {
            assertEquals(new Finished(FinishReason.LENGTH, 5, CONTEXT - 5), read(generation, new StringBuilder()));
        }
    }

    @Test
    void whatTheContextCannotHoldIsRefusedWithTheFigures() throws Exception {
        var generator = start(new FakeDecoder(1, CONTEXT), null);
        var tooMany =
                assertThrows(RefusedException.class, () -> generator.submit(request("hello", OptionalInt.of(CONTEXT))));
        assertEquals("max_tokens is 64; this model's context leaves 59 after the prompt", tooMany.getMessage());
        assertEquals(RefusedException.Reason.INVALID, tooMany.reason());
        var tooLong = assertThrows(
                RefusedException.class, () -> generator.submit(request("x".repeat(CONTEXT), OptionalInt.empty())));
        assertEquals(
                "prompt is 64 tokens; this model's context is 64 tokens, which must hold the prompt and the answer",
                tooLong.getMessage());
    }

    @Test
    void aClientThatLeavesCostsTheStepThatRunsAndNoMore() throws Exception {
        var decoder = new SteppedDecoder();
        var generator = start(decoder, null);
        var generation = generator.submit(request("hello", OptionalInt.of(50)));
        decoder.steps.release(3);
        decoder.asked.acquire(4);
        generation.close();
        decoder.steps.release(50);
        var end = read(generation, new StringBuilder());
        assertEquals(new Finished(FinishReason.CANCELLED, 5, 5), end);
    }

    @Test
    void aFullQueueRefusesAndAClosedWaiterFreesItsPlace() throws Exception {
        var nowNanos = new AtomicLong();
        clock = nowNanos::get;
        var decoder = new SteppedDecoder();
        var generator = start(decoder, 1);
        var running = generator.submit(request("a", OptionalInt.of(10)));
        decoder.asked.acquire();
        nowNanos.set(Duration.ofSeconds(9).toNanos());
        var waiting = generator.submit(request("b", OptionalInt.of(10)));
        var refused = assertThrows(RefusedException.class, () -> generator.submit(request("c", OptionalInt.of(10))));
        assertEquals(RefusedException.Reason.OVERLOADED, refused.reason());
        assertEquals("1 request is already waiting, which is the limit; try again in 9 s", refused.getMessage());
        assertEquals(9, refused.retryAfterSeconds());
        waiting.close();
        assertEquals(new Finished(FinishReason.CANCELLED, 1, 0), read(waiting, new StringBuilder()));
        var next = generator.submit(request("c", OptionalInt.of(10)));
        decoder.steps.release(100);
        assertEquals(10, read(running, new StringBuilder()).completionTokens());
        assertEquals(10, read(next, new StringBuilder()).completionTokens());
    }

    @Test
    void aDecoderThatFailsEndsEveryRequestAndTheWorkerSaysSo() throws Exception {
        var decoder = new SteppedDecoder() {
            @Override
            public int[] decode(DecodeBatch batch, int count) {
                super.decode(batch, count);
                throw new IllegalStateException("out of device memory");
            }
        };
        var broken = new CompletableFuture<String>();
        var generator = start(decoder, null, broken);
        var generations = new ArrayList<Generation>();
        generations.add(generator.submit(request("a", OptionalInt.of(10))));
        decoder.asked.acquire();
        generations.add(generator.submit(request("b", OptionalInt.of(10))));
        decoder.steps.release();
        for (var generation : generations) {
            assertEquals(
                    FinishReason.ERROR, read(generation, new StringBuilder()).reason());
        }
        assertEquals(new Readiness.Failed("the engine has failed"), generator.readiness());
        var refused = assertThrows(RefusedException.class, () -> generator.submit(request("c", OptionalInt.of(10))));
        assertEquals(RefusedException.Reason.FAILED, refused.reason());
        assertEquals("the engine has failed", broken.get());
    }

    /// What fails beside the decoder must not leave a worker that looks ready without an engine thread.
    @Test
    void anyOtherFailureOfTheEngineThreadEndsTheEngineToo() throws Exception {
        for (var failure : List.of(new OutOfMemoryError("native"), new StackOverflowError(), new LinkageError())) {
            var broken = new CompletableFuture<String>();
            var generator = InProcessGenerator.start(
                    () -> model(new SteppedDecoder()),
                    new InProcessGenerator.Limits(null, Duration.ofMinutes(1)),
                    System::nanoTime,
                    new EngineStats(),
                    new LoadListener() {
                        @Override
                        public void loaded(LanguageModel model) {
                            throw failure;
                        }

                        @Override
                        public void broken(String reason) {
                            broken.complete(reason);
                        }
                    });
            assertEquals("the engine has failed", broken.get());
            assertEquals(new Readiness.Failed("the engine has failed"), generator.readiness());
            generator.close();
        }
    }

    @Test
    void whileTheModelLoadsRequestsAreRefusedAndAFailedLoadIsTold() throws Exception {
        var load = new CountDownLatch(1);
        var generator = InProcessGenerator.start(
                () -> {
                    load.await();
                    throw new IOException("model.gguf: does not exist");
                },
                new InProcessGenerator.Limits(null, Duration.ofMinutes(1)),
                System::nanoTime,
                new EngineStats(),
                _ -> {});
        started = generator;
        assertInstanceOf(Readiness.Loading.class, generator.readiness());
        var refused = assertThrows(RefusedException.class, () -> generator.submit(request("a", OptionalInt.empty())));
        assertEquals(RefusedException.Reason.LOADING, refused.reason());
        load.countDown();
        Await.until("the model is loaded", () -> !(generator.readiness() instanceof Readiness.Loading));
        assertEquals(new Readiness.Failed("the model could not be loaded"), generator.readiness());
    }

    @Test
    void closingEndsWhatRuns() throws Exception {
        var decoder = new SteppedDecoder();
        var generator = start(decoder, null);
        var generation = generator.submit(request("a", OptionalInt.of(50)));
        decoder.asked.acquire();
        decoder.steps.release(1000);
        generator.close();
        var end = read(generation, new StringBuilder());
        assertTrue(end.reason() == FinishReason.CANCELLED || end.reason() == FinishReason.LENGTH, end.toString());
    }
}
