package dev.llmworker.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Prompt;
import dev.llmworker.generation.Readiness;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.stats.EngineStats;
import dev.llmworker.testing.Await;
import dev.llmworker.text.TinyVocabularies;
import dev.llmworker.text.Tokenizer;
import dev.llmworker.text.chat.ChatMessage;
import dev.llmworker.text.chat.ChatTemplate;
import dev.llmworker.text.chat.PromptEncoder;
import dev.llmworker.text.chat.TemplateVariablesTest;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Tokens that end an answer because the request says so, texts that end within a character, and conversations that the
/// chat template makes too long.
@Timeout(180)
class StopTokensTest {
    private static final String STOP = "<|stop|>";
    private static final int PLACE = 5;
    private static final int[] IDS =
            FakeDecoder.expected("hello".chars().toArray(), SamplingParameters.greedy(), 40, true);

    @TempDir
    Path folder;

    private @Nullable InProcessGenerator started;

    /// The sixth token of the answer is a control token.
    private static final class WithControlToken extends LetterTokenizer {
        @Override
        public Map<String, Integer> controlTokens() {
            return Map.of(STOP, IDS[PLACE]);
        }

        @Override
        public byte[] bytes(int id) {
            return id == IDS[PLACE] ? new byte[0] : super.bytes(id);
        }
    }

    private InProcessGenerator start(Tokenizer tokenizer, @Nullable ChatTemplate template) {
        var generator = InProcessGenerator.start(
                () -> new LanguageModel(new FakeDecoder(4, 200), tokenizer, new PromptEncoder(tokenizer, template)),
                new InProcessGenerator.Limits(null, Duration.ofMinutes(1)),
                System::nanoTime,
                new EngineStats(),
                _ -> {});
        started = generator;
        Await.until("the model is loaded", () -> !(generator.readiness() instanceof Readiness.Loading));
        return generator;
    }

    @AfterEach
    void close() {
        if (started != null) {
            started.close();
        }
    }

    private static GenerationRequest request(int maxTokens, int minTokens, String... stop) {
        return new GenerationRequest(
                new Prompt.Raw("hello"),
                OptionalInt.of(maxTokens),
                SamplingParameters.greedy(),
                true,
                minTokens,
                List.of(stop),
                false);
    }

    private static String answer(InProcessGenerator generator, GenerationRequest request) {
        var text = new StringBuilder();
        try (var generation = generator.submit(request)) {
            for (var event : generation) {
                switch (event) {
                    case GenerationEvent.Token token -> text.append(token.text());
                    case GenerationEvent.Finished finished ->
                        text.append('|')
                                .append(finished.reason())
                                .append('|')
                                .append(finished.completionTokens())
                                .append(finished.stopSequence() == null ? "" : "|" + finished.stopSequence());
                }
            }
        }
        return text.toString();
    }

    @Test
    void theNameOfAControlTokenIsItsTokenAndTheTextBeforeItIsWhole() {
        assertFalse(LetterTokenizer.letters(IDS, PLACE).isEmpty());
        for (var i = 0; i < PLACE; i++) {
            assertTrue(IDS[i] != IDS[PLACE], "the token comes for the first time");
        }
        var generator = start(new WithControlToken(), null);
        var unnamed = LetterTokenizer.letters(IDS, PLACE) + "|STOP|" + PLACE;
        var expected = unnamed + "|" + STOP;
        assertEquals(expected, answer(generator, request(40, 0, STOP)));
        // What may be the beginning of another stop sequence is not lost.
        var beginning = LetterTokenizer.letters(IDS, PLACE).substring(2) + "#";
        assertEquals(expected, answer(generator, request(40, 0, beginning, STOP)));
        assertEquals(unnamed, answer(generator, request(40, 0).withStopTokens(List.of(IDS[PLACE]))));
        assertTrue(answer(generator, request(20, 0, "<|stop")).endsWith("|LENGTH|20"));
    }

    @Test
    void aStopTokenThatThereIsNotIsRefused() {
        var generator = start(new LetterTokenizer(), null);
        for (var id : List.of(-1, FakeDecoder.VOCABULARY)) {
            var refused = assertThrows(
                    RefusedException.class, () -> generator.submit(request(5, 0).withStopTokens(List.of(id))));
            assertEquals("stop_token_ids has token " + id + "; this model's tokens are 0 to 999", refused.getMessage());
        }
    }

    @Test
    void aTextThatEndsWithinACharacterEndsBeforeIt() {
        var generator = start(
                new LetterTokenizer() {
                    @Override
                    public byte[] bytes(int id) {
                        return id == IDS[PLACE] ? new byte[] {(byte) 0xe2, (byte) 0x82} : super.bytes(id);
                    }
                },
                null);
        assertEquals(
                LetterTokenizer.letters(IDS, PLACE) + "|LENGTH|" + (PLACE + 1),
                answer(generator, request(PLACE + 1, 0)));
    }

    private static RefusedException refused(InProcessGenerator generator, List<ChatMessage> messages) {
        return assertThrows(RefusedException.class, () -> {
            var request = new GenerationRequest(
                    new Prompt.Chat(messages), OptionalInt.of(1), SamplingParameters.greedy(), true);
            try (var generation = generator.submit(request)) {
                generation.awaitAccepted();
            }
        });
    }

    @Test
    void aConversationThatTheTemplateCannotRenderIsRefused() throws Exception {
        var source = "{% for m in messages %}{{ m.content }}{% for n in messages %}{% for o in messages %}{{ '' }}"
                + "{% endfor %}{% endfor %}{% endfor %}";
        var template = TemplateVariablesTest.of(source, folder, TinyVocabularies.byteLevel("smollm"));
        var generator = start(new LetterTokenizer(), template);
        var tooLong = refused(generator, List.of(ChatMessage.user("x".repeat((1 << 20) + 1))));
        assertEquals("context_exceeded", tooLong.code());
        assertEquals(RefusedException.Reason.INVALID, tooLong.reason());
        var tooMuch = refused(generator, Collections.nCopies(200, ChatMessage.user("x")));
        assertEquals("template_limit", tooMuch.code());
        assertEquals(RefusedException.Reason.INVALID, tooMuch.reason());
    }
}
