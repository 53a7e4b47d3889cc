package dev.llmworker.text;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.text.gguf.GgufTokenizer;
import dev.llmworker.text.hub.HubTokenizer;
import dev.llmworker.weights.Gguf;
import dev.llmworker.weights.Safetensors;
import dev.llmworker.weights.SafetensorsFile;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.TensorType;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Real vocabularies give the ids of transformers to thousands of texts. `src/test/python/real_tokenizers.py` fetches
/// them; they are too large to be kept here.
@EnabledIfSystemProperty(named = "realTokenizers", matches = ".+")
class RealTokenizersTest {
    private static final int SHOWN = 5;
    /// More than any vocabulary has tokens.
    private static final int ROWS = 1 << 19;

    @ParameterizedTest
    @MethodSource("cases")
    void textsHaveTheSameIds(Path folder) throws IOException {
        var tokenizer = tokenizer(folder);
        var texts = numbers(folder.resolve("texts"));
        var ids = numbers(folder.resolve("ids"));
        var wrong = new ArrayList<String>();
        for (var left = texts.getInt(); left > 0; left--) {
            var bytes = new byte[texts.getInt()];
            texts.get(bytes);
            var text = new String(bytes, StandardCharsets.UTF_8);
            check(text, "as plain text", next(ids), tokenizer.encodeText(text), wrong);
            check(text, "with control tokens", next(ids), tokenizer.encodeWithControlTokens(text), wrong);
        }
        assertTrue(
                wrong.isEmpty(),
                () -> wrong.size() + " texts differ:\n"
                        + String.join("\n", wrong.subList(0, Math.min(SHOWN, wrong.size()))));
    }

    private static void check(String text, String how, int[] expected, int[] actual, List<String> wrong) {
        if (!Arrays.equals(expected, actual)) {
            wrong.add("«" + text + "» " + how + ": expected " + Arrays.toString(expected) + ", is "
                    + Arrays.toString(actual));
        }
    }

    private static int[] next(ByteBuffer ids) {
        var next = new int[ids.getInt()];
        for (var i = 0; i < next.length; i++) {
            next[i] = ids.getInt();
        }
        return next;
    }

    private static ByteBuffer numbers(Path file) throws IOException {
        return ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static ModelTokenizer tokenizer(Path folder) throws IOException {
        var file = folder.resolve("model.gguf");
        if (Files.exists(file)) {
            try (var gguf = Gguf.open(file)) {
                return GgufTokenizer.of(gguf.metadata());
            }
        }
        Files.writeString(folder.resolve("config.json"), "{\"architectures\":[\"LlamaForCausalLM\"]}");
        new SafetensorsFile()
                .tensor("model.embed_tokens.weight", TensorType.BF16, new float[ROWS], ROWS, 1)
                .write(folder.resolve("model.safetensors"));
        try (var model = StoredModel.open(folder)) {
            return HubTokenizer.of((Safetensors) model);
        }
    }

    private static List<Path> cases() throws IOException {
        try (var folders = Files.list(Path.of(System.getProperty("realTokenizers"), "cases"))) {
            return folders.sorted().toList();
        }
    }
}
