package dev.llmworker.generation;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.llmworker.sampling.ParameterException;
import java.util.Collections;
import java.util.Map;
import org.junit.jupiter.api.Test;

/// What multiplies the work of a request has a limit, also as a product.
class OpenAiRequestTest {
    private static OpenAiRequest request(int prompts, int each) {
        return new OpenAiRequest(
                OpenAiRequest.Form.TEXT, Map.of("prompt", Collections.nCopies(prompts, "x"), "n", each), "");
    }

    @Test
    void choicesOfAllPromptsHaveALimit() {
        assertEquals(OpenAiRequest.MAX_CHOICES, request(64, 16).choices());
        assertEquals(OpenAiRequest.MAX_CHOICES, request(1024, 1).choices());
        for (var tooMany : new OpenAiRequest[] {request(65, 16), request(1025, 1), request(1 << 28, 16)}) {
            var refused = assertThrows(ParameterException.class, tooMany::choices);
            assertEquals(
                    "choices; the limit is 1024",
                    String.valueOf(refused.getMessage()).replaceFirst(".* which is \\d+ ", ""));
        }
    }
}
