package dev.llmworker.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Generator;
import dev.llmworker.generation.Prompt;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.stats.EngineStats;
import dev.llmworker.text.chat.PromptEncoder;
import java.time.Duration;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// A worker without requests tells its decoder.
@Timeout(180)
class RestingDecoderTest {
    @Test
    void aQueueThatStaysEmptySaysSo() throws Exception {
        var waiting = new WaitingQueue(4);
        assertTrue(waiting.staysEmpty(Duration.ofMillis(1)));
    }

    @Test
    void aWorkerLetsItsDecoderRestOnceWheneverNothingIsToDo() throws Exception {
        var decoder = new FakeDecoder(1, 64);
        var tokenizer = new LetterTokenizer();
        var limits = new InProcessGenerator.Limits(null, Duration.ofMinutes(1), Duration.ofMillis(1), false, true);
        try (var generator = InProcessGenerator.start(
                () -> new LanguageModel(decoder, tokenizer, new PromptEncoder(tokenizer, null)),
                limits,
                System::nanoTime,
                new EngineStats(),
                _ -> {})) {
            for (var pause = 1; pause <= 10; pause++) {
                decoder.rests.acquire();
                assertEquals(8, tokens(generator));
            }
        }
        assertEquals(0, decoder.repeatedRests);
    }

    private static int tokens(Generator generator) throws Exception {
        var request =
                new GenerationRequest(new Prompt.Raw("hello"), OptionalInt.of(8), SamplingParameters.greedy(), true);
        var tokens = 0;
        try (var generation = generator.submit(request)) {
            for (var event : generation) {
                tokens += event instanceof GenerationEvent.Token ? 1 : 0;
            }
        }
        return tokens;
    }

    @Test
    void aQueueThatIsShutIsNotJustEmpty() throws Exception {
        var waiting = new WaitingQueue(4);
        waiting.shut();
        assertFalse(waiting.staysEmpty(Duration.ofHours(1)));
        assertEquals(0, waiting.size());
    }
}
