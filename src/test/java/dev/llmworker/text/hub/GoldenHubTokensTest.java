package dev.llmworker.text.hub;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.text.Detokenizer;
import dev.llmworker.text.ModelTokenizer;
import dev.llmworker.weights.Safetensors;
import dev.llmworker.weights.SafetensorsFile;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.TensorType;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.text.Normalizer;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Tokens by `tokenizer.json` are those of transformers: `src/test/python/golden_hub_tokens.py`.
class GoldenHubTokensTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    private record Text(String text, int[] ids, int[] idsWithControlTokens) {}

    private record Golden(String name, JsonNode tokenizer, JsonNode config, int size, int[] begin, List<Text> texts) {
        @Override
        public String toString() {
            return name;
        }
    }

    @TempDir
    private Path directory;

    @ParameterizedTest
    @MethodSource("goldens")
    void textsHaveTheSameIds(Golden golden) throws IOException {
        var tokenizer = tokenizer(golden);
        assertAll(golden.texts().stream()
                .map(one -> () -> assertArrayEquals(one.ids(), tokenizer.encodeText(one.text()), one.text())));
        assertAll(golden.texts().stream()
                .map(one -> () -> assertArrayEquals(
                        one.idsWithControlTokens(), tokenizer.encodeWithControlTokens(one.text()), one.text())));
    }

    @ParameterizedTest
    @MethodSource("goldens")
    void promptsBeginByTheSameToken(Golden golden) throws IOException {
        assertArrayEquals(
                golden.begin(), tokenizer(golden).beginOfSequence().stream().toArray());
    }

    @ParameterizedTest
    @MethodSource("goldens")
    void tokensGiveTheirTextBack(Golden golden) throws IOException {
        var tokenizer = tokenizer(golden);
        var composes =
                golden.tokenizer().path("normalizer").path("type").asText().equals("NFC");
        for (var one : golden.texts()) {
            // Metaspace takes a space that is there for its own. NFC loses what it composes, and a piece of
            // SentencePiece's that is spelled ▁ is a space.
            var loses = composes && !Normalizer.isNormalized(one.text(), Normalizer.Form.NFC)
                    || (one.text().contains("▁") || one.text().startsWith(" ")) && tokenizer.addsLeadingSpace();
            if (!loses) {
                var detokenizer = new Detokenizer(tokenizer);
                var text = new StringBuilder();
                Arrays.stream(one.ids()).mapToObj(detokenizer::push).forEach(text::append);
                assertEquals(one.text(), text.toString());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("goldens")
    void answersEndByTheEndToken(Golden golden) throws IOException {
        var tokenizer = tokenizer(golden);
        var end = Objects.requireNonNull(
                tokenizer.controlTokens().get(tokenizer.specialTokens().get("eos_token")));
        assertEquals(true, tokenizer.isEndOfSequence(end));
        assertEquals(0, tokenizer.bytes(end).length);
        // Rows of the embedding beyond the last token.
        assertEquals(golden.size(), tokenizer.vocabularySize());
        assertEquals(0, tokenizer.bytes(golden.size() - 1).length);
    }

    private ModelTokenizer tokenizer(Golden golden) throws IOException {
        Files.writeString(
                directory.resolve("config.json"),
                JSON.writeValueAsString(Map.of("architectures", List.of("LlamaForCausalLM"))));
        JSON.writeValue(directory.resolve("tokenizer.json").toFile(), golden.tokenizer());
        JSON.writeValue(directory.resolve("tokenizer_config.json").toFile(), golden.config());
        new SafetensorsFile()
                .tensor("model.embed_tokens.weight", TensorType.BF16, new float[golden.size()], golden.size(), 1)
                .write(directory.resolve("model.safetensors"));
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
        var more = System.getProperty("hubTokens");
        return more == null
                ? Objects.requireNonNull(GoldenHubTokensTest.class.getResourceAsStream("/golden/hub_tokens.json"))
                : Files.newInputStream(Path.of(more));
    }
}
