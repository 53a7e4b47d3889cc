package dev.llmworker.text;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.hub.StarterModelFile;
import dev.llmworker.text.gguf.GgufTokenizer;
import dev.llmworker.weights.Gguf;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// The starter model's tokens are those of transformers and llama.cpp: `src/test/python/golden_tokens.py`.
class GoldenTokensTest {
    private record Case(String text, int[] ids, int[] idsWithControlTokens) {}

    private static @Nullable ModelTokenizer loaded;

    @BeforeAll
    static void loadTheStarterModel() throws IOException, InterruptedException {
        try (var gguf = Gguf.open(StarterModelFile.path())) {
            loaded = GgufTokenizer.of(gguf.metadata());
        }
    }

    private static ModelTokenizer tokenizer() {
        return Objects.requireNonNull(loaded);
    }

    private static List<Case> cases() throws IOException {
        try (var json = GoldenTokensTest.class.getResourceAsStream("/golden/tokens.json")) {
            return List.of(new ObjectMapper().readValue(json, Case[].class));
        }
    }

    @Test
    void plainTextHasTheSameIds() throws IOException {
        assertAll(cases().stream()
                .map(golden -> () -> assertArrayEquals(golden.ids, tokenizer().encodeText(golden.text), golden.text)));
    }

    @Test
    void namesOfControlTokensHaveTheSameIds() throws IOException {
        assertAll(cases().stream()
                .map(golden -> () -> assertArrayEquals(
                        golden.idsWithControlTokens, tokenizer().encodeWithControlTokens(golden.text), golden.text)));
    }

    @Test
    void tokensGiveTheirTextBack() throws IOException {
        // The vocabulary lacks a few bytes, control characters mostly; those are lost in every implementation.
        var complete = cases().stream()
                .filter(golden -> !golden.text.contains("\u0001"))
                .toList();
        for (var golden : complete) {
            var detokenizer = new Detokenizer(tokenizer());
            var text = new StringBuilder();
            Arrays.stream(golden.ids).mapToObj(detokenizer::push).forEach(text::append);
            assertEquals(golden.text, text.toString());
        }
    }

    @Test
    void itsChatEndsByTheTokensThatItsTemplateWrites() {
        var ends = Stream.of("<|im_end|>", "<|endoftext|>", "<|im_start|>", "<empty_output>")
                .map(name -> tokenizer()
                        .isEndOfSequence(Objects.requireNonNull(
                                tokenizer().controlTokens().get(name))))
                .toList();
        assertEquals(List.of(true, true, false, false), ends);
        assertEquals("<|im_end|>", tokenizer().specialTokens().get("eos_token"));
        assertTrue(tokenizer().beginOfSequence().isEmpty());
        assertEquals(49_152, tokenizer().vocabularySize());
    }
}
