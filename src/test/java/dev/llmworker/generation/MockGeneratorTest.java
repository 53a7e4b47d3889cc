package dev.llmworker.generation;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.text.chat.ChatMessage;
import java.time.Duration;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class MockGeneratorTest {
    private static GenerationRequest request(String prompt, int maxTokens, float temperature) {
        return new GenerationRequest(
                new Prompt.Chat(List.of(ChatMessage.user(prompt))),
                OptionalInt.of(maxTokens),
                new SamplingParameters(temperature, 0, 1, 0, 0),
                false);
    }

    private static String text(Generation generation, int tokens) {
        var text = new StringBuilder();
        var index = 0;
        for (var event : generation) {
            switch (event) {
                case GenerationEvent.Token token -> {
                    assertEquals(index++, token.index());
                    text.append(token.text());
                }
                case GenerationEvent.Finished finished ->
                    assertEquals(new GenerationEvent.Finished(FinishReason.LENGTH, 2, tokens), finished);
            }
        }
        assertEquals(tokens, index);
        return text.toString();
    }

    @Test
    void itsDeadlineEndsAnAnswer() {
        var nowNanos = new AtomicLong();
        var mock = new MockGenerator(Duration.ofSeconds(5), nowNanos::get);
        var events = mock.submit(request("x", 100, 0)).iterator();
        for (var i = 0; i < 10; i++) {
            assertInstanceOf(GenerationEvent.Token.class, events.next());
        }
        nowNanos.set(Duration.ofSeconds(5).toNanos());
        assertEquals(new GenerationEvent.Finished(FinishReason.TIMEOUT, 1, 10), events.next());
    }

    @Test
    void theTokensJoinedAreTheSeedsSentenceWhateverTheirNumber() {
        for (var tokens : new int[] {1, 2, 7, 50, 200_000, MockGenerator.MAX_TOKENS}) {
            try (var mock = new MockGenerator();
                    var generation = mock.submit(request("Hello 😀", tokens, 0.8f))) {
                assertEquals(
                        "Response to: 'Hello 😀' (tokens=" + tokens + ", temp=0.8, request #1)",
                        text(generation, tokens));
            }
        }
    }

    @Test
    void requestsAreNumbered() {
        var mock = new MockGenerator();
        mock.submit(request("a b", 1, 0)).close();
        assertEquals("Response to: 'a b' (tokens=1, temp=0.0, request #2)", text(mock.submit(request("a b", 1, 0)), 1));
    }

    @Test
    void aClosedGenerationEndsBeforeItsNextToken() {
        var events = new MockGenerator().submit(request("x", 100, 0));
        var iterator = events.iterator();
        assertEquals(new GenerationEvent.Token(0, ""), iterator.next());
        events.close();
        assertEquals(new GenerationEvent.Finished(FinishReason.CANCELLED, 1, 1), iterator.next());
        assertEquals(false, iterator.hasNext());
    }

    @Test
    void moreTokensThanTheLimitAreRefused() {
        var refusal = assertThrows(
                RefusedException.class,
                () -> new MockGenerator().submit(request("x", MockGenerator.MAX_TOKENS + 1, 0)));
        assertEquals("max_tokens is 1000001; the mock generates at most 1000000", refusal.getMessage());
    }
}
