package dev.llmworker.serving.delivery;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.llmworker.generation.OpenAiRequest;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/// What a relayed request is expected to take.
class ExpectedTokensTest {
    @Test
    void eachChoiceOfARelayedRequestIsAnAnswer() {
        var chat = new OpenAiRequest(
                OpenAiRequest.Form.CHAT,
                Map.of("messages", List.of(Map.of("role", "user", "content", "12345678")), "n", 16, "max_tokens", 5),
                "");
        assertEquals(16, ExpectedTokens.of(chat).answers());
        assertEquals(80, ExpectedTokens.of(chat).answer());
        var prompts = new OpenAiRequest(OpenAiRequest.Form.TEXT, Map.of("prompt", List.of("a", "b"), "n", 3), "");
        assertEquals(6, ExpectedTokens.of(prompts).answers());
    }
}
