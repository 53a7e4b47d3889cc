package dev.llmworker.text.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.text.ModelTokenizer;
import dev.llmworker.text.chat.PromptEncoder;
import dev.llmworker.weights.Safetensors;
import dev.llmworker.weights.SafetensorsFolder;
import dev.llmworker.weights.StoredModel;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Added tokens with attributes, from several files, are those of transformers:
/// `src/test/python/golden_added_tokens.py`.
@Concurrent
class GoldenAddedTokensTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    private record Text(String text, int[] ids) {}

    private record Golden(
            String name,
            JsonNode tokenizer,
            JsonNode config,
            int size,
            int[] begin,
            Map<String, String> special,
            List<Text> texts) {
        @Override
        public String toString() {
            return name;
        }
    }

    @TempDir
    private Path directory;

    @ParameterizedTest
    @MethodSource("goldens")
    void rawPromptsHaveTheSameIds(Golden golden) throws IOException {
        var tokenizer = tokenizer(golden);
        for (var one : golden.texts()) {
            assertArrayEquals(one.ids(), tokenizer.encodeWithControlTokens(one.text()), one.text());
        }
        assertArrayEquals(golden.begin(), tokenizer.beginOfSequence().stream().toArray());
        assertEquals(
                golden.special(),
                tokenizer.specialTokens().entrySet().stream()
                        .filter(token -> token.getKey().endsWith("_token"))
                        .collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue)));
    }

    /// What a template writes is found like that in a raw prompt, unless a text is normalised before.
    @ParameterizedTest
    @MethodSource("goldens")
    void whatATemplateWritesHasTheSameIds(Golden golden) throws IOException {
        var tokenizer = tokenizer(golden);
        var normalizes = !golden.tokenizer().path("normalizer").isNull();
        for (var one : golden.texts()) {
            // No template writes noncharacters: they are marks.
            if (!normalizes && !one.text().contains("\uFDD0") && !one.text().contains("\uFDD1")) {
                var prompt = new PromptEncoder(tokenizer, (_, _, _) -> one.text())
                        .encode(List.of(), List.of(), Map.of(), Integer.MAX_VALUE)
                        .ids();
                var begin = prompt.length - one.ids().length;
                assertArrayEquals(one.ids(), IntStream.of(prompt).skip(begin).toArray(), one.text());
                assertArrayEquals(
                        begin == 0 ? new int[0] : golden.begin(),
                        IntStream.of(prompt).limit(begin).toArray());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("goldens")
    void noTextHasAControlToken(Golden golden) throws IOException {
        var tokenizer = tokenizer(golden);
        var unknown = golden.tokenizer().at("/model/unk_token").asText();
        for (var one : golden.texts()) {
            for (var id : tokenizer.encodeText(one.text())) {
                assertFalse(
                        tokenizer.controlTokens().entrySet().stream()
                                .anyMatch(token -> token.getValue() == id
                                        && !token.getKey().equals(unknown)),
                        () -> one.text() + " has " + id);
            }
        }
    }

    private ModelTokenizer tokenizer(Golden golden) throws IOException {
        new SafetensorsFolder(golden.size()).write(directory);
        JSON.writeValue(directory.resolve("tokenizer.json").toFile(), golden.tokenizer());
        JSON.writeValue(directory.resolve("tokenizer_config.json").toFile(), golden.config());
        try (var model = StoredModel.open(directory)) {
            return HubTokenizer.of((Safetensors) model);
        }
    }

    private static List<Golden> goldens() throws IOException {
        try (var stream = stream()) {
            return List.of(JSON.readValue(stream, Golden[].class));
        }
    }

    private static InputStream stream() throws IOException {
        var more = System.getProperty("addedTokens");
        return more == null
                ? Objects.requireNonNull(GoldenAddedTokensTest.class.getResourceAsStream("/golden/added_tokens.json"))
                : Files.newInputStream(Path.of(more));
    }
}
