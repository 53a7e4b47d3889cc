package dev.llmworker.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationEvent.Finished;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Prompt;
import dev.llmworker.generation.Readiness;
import dev.llmworker.generation.memory.HeldMemory;
import dev.llmworker.model.decoder.Decoder;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.stats.EngineStats;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.Steps;
import dev.llmworker.text.chat.ChatMessage;
import dev.llmworker.text.chat.ChatTemplate;
import dev.llmworker.text.chat.PromptEncoder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Whatever throws between a request and its end, its places are given back: in the queue, in the count of requests,
/// and on the threads for long prompts. The steps are all that a request asks of a clock, a tokenizer, a template and
/// the budget for memory.
@Timeout(180)
class EveryStepTest {
    private static final String ENGINE = "engine";
    private static final String LONG = "x".repeat(LongPrompts.LONG_CHARACTERS);

    private final Steps steps = new Steps();
    private final SteppedDecoder stepped = new SteppedDecoder();

    private enum Kind {
        SHORT(new Prompt.Raw("hello")),
        LONG(new Prompt.Raw(EveryStepTest.LONG)),
        CONVERSATION(new Prompt.Chat(List.of(ChatMessage.user("hello"))));

        final Prompt prompt;

        Kind(Prompt prompt) {
            this.prompt = prompt;
        }
    }

    private final HeldMemory memory = new HeldMemory() {
        @Override
        public void take(long bytes) {
            step();
        }

        @Override
        public void add(long bytes) {
            step();
        }
    };

    /// What fails on the engine's own thread ends the engine.
    private void step() {
        if (!Thread.currentThread().getName().equals(ENGINE)) {
            steps.next();
        }
    }

    private InProcessGenerator engine(Decoder decoder) {
        var tokenizer = new LetterTokenizer() {
            @Override
            public int[] encodeText(String text) {
                step();
                return super.encodeText(text);
            }
        };
        ChatTemplate template = (_, _, _) -> {
            step();
            return "hello";
        };
        var generator = InProcessGenerator.start(
                () -> new LanguageModel(decoder, tokenizer, new PromptEncoder(tokenizer, template)),
                new InProcessGenerator.Limits(null, Duration.ofMinutes(1)),
                () -> {
                    step();
                    return System.nanoTime();
                },
                new EngineStats(),
                _ -> {});
        Await.until("it is ready", () -> generator.readiness() instanceof Readiness.Ready);
        return generator;
    }

    private static GenerationRequest request(Prompt prompt) {
        return new GenerationRequest(prompt, OptionalInt.of(3), SamplingParameters.greedy(), true);
    }

    private FinishReason end(InProcessGenerator generator, Prompt prompt) {
        try (var generation = generator.submit(request(prompt))) {
            generation.countIn(memory);
            generation.awaitAccepted();
            var events = generation.iterator();
            while (true) {
                if (events.next() instanceof Finished finished) {
                    return finished.reason();
                }
            }
        }
    }

    private static void assertIdle(InProcessGenerator generator, int step) {
        Await.until("nothing is left of a request whose step " + step + " failed", () -> generator.underWay() == 0);
    }

    @ParameterizedTest
    @EnumSource
    void aRequestGivesBackWhatItHadWhateverThrows(Kind kind) {
        try (var generator = engine(new FakeDecoder(1, 2 * LONG.length()))) {
            var failing = 0;
            for (var failed = true; failed; failing++) {
                steps.failAfter(failing);
                try {
                    end(generator, kind.prompt);
                } catch (Steps.Failed | IllegalStateException _) {
                    // An interface of another thread wraps it.
                }
                failed = steps.end();
                assertIdle(generator, failing);
                assertEquals(FinishReason.LENGTH, end(generator, new Prompt.Raw("next")), "after step " + failing);
                assertIdle(generator, failing);
            }
            assertTrue(failing > 4, failing + " steps");
        }
    }

    @Test
    void aRequestThatLeavesTheQueueDoesSoWhateverThrows() throws Exception {
        try (var generator = engine(stepped)) {
            try (var running = generator.submit(request(new Prompt.Raw("first")))) {
                stepped.asked.acquire();
                var failing = 0;
                for (var failed = true; failed; failing++) {
                    steps.failAfter(failing);
                    try (var waiting = generator.submit(request(new Prompt.Raw("second")))) {
                        waiting.countIn(memory);
                    } catch (Steps.Failed _) {
                        // As it must.
                    }
                    failed = steps.end();
                    assertEquals(1, generator.underWay(), "after step " + failing);
                }
                assertTrue(failing > 4, failing + " steps");
                running.close();
                stepped.steps.release(100);
            }
            assertIdle(generator, -1);
        }
    }

    @Test
    void aRequestThatTheQueueHasNoRoomForLeavesNothingBehind() throws Exception {
        try (var generator = engine(stepped)) {
            var present = new ArrayList<Generation>();
            present.add(generator.submit(request(new Prompt.Raw("first"))));
            stepped.asked.acquire();
            for (var i = 0; i < InProcessGenerator.Limits.QUEUE_PER_SLOT; i++) {
                present.add(generator.submit(request(new Prompt.Raw("waits"))));
            }
            var failing = 0;
            for (var failed = true; failed; failing++) {
                steps.failAfter(failing);
                assertThrows(Throwable.class, () -> generator.submit(request(new Prompt.Raw("late"))));
                failed = steps.end();
                assertEquals(present.size(), generator.underWay(), "after step " + failing);
            }
            assertTrue(failing > 1, failing + " steps");
            present.forEach(Generation::close);
            stepped.steps.release(100);
            assertIdle(generator, -1);
        }
    }
}
