package dev.llmworker.text.gguf;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.text.TinyVocabularies;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.StreamSupport;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;

/// Each `tokenizer.ggml.pre` splits texts as llama.cpp or the model's own tokenizer does:
/// `src/test/python/golden_pre_tokenizers.py`.
@Concurrent
class PreTokenizerTest {
    private static final int HASH_LENGTH = 8;

    @Test
    void eachNameSplitsTextsAsItsModelDoes() throws IOException {
        var golden = golden();
        var texts = texts(golden.get("texts"));
        var wrong = new ArrayList<String>();
        for (var group : golden.get("cases")) {
            var model = group.get("model").asText();
            var hashes = group.get("hashes").asText();
            for (var name : texts(group.get("names"))) {
                var tokenizer = vocabulary(
                                model, name, golden.get("vocabularies").get(model))
                        .tokenizer();
                for (var i = 0; i < texts.size(); i++) {
                    var expected = hashes.substring(i * HASH_LENGTH, (i + 1) * HASH_LENGTH);
                    if (!hash(tokenizer.encodeText(texts.get(i))).equals(expected)) {
                        wrong.add(name + ": " + texts.get(i));
                    }
                }
            }
        }
        assertEquals(List.of(), wrong);
    }

    @Test
    void noNameIsUntested() throws IOException {
        var tested = StreamSupport.stream(golden().get("cases").spliterator(), false)
                .flatMap(group -> texts(group.get("names")).stream())
                .sorted()
                .toList();
        assertEquals(tested, PreTokenizer.supported());
    }

    private static JsonNode golden() throws IOException {
        try (var stream =
                Objects.requireNonNull(PreTokenizerTest.class.getResourceAsStream("/golden/pre_tokenizers.json"))) {
            return new ObjectMapper().readTree(stream);
        }
    }

    private static List<String> texts(JsonNode array) {
        return StreamSupport.stream(array.spliterator(), false)
                .map(JsonNode::asText)
                .toList();
    }

    private static TinyVocabularies vocabulary(String model, String preTokenizer, JsonNode vocabulary) {
        return TinyVocabularies.pairMerging(
                model,
                preTokenizer,
                texts(vocabulary.get("first")),
                texts(vocabulary.get("letters")),
                texts(vocabulary.get("merges")));
    }

    private static String hash(int[] ids) {
        var bytes = ByteBuffer.allocate(ids.length * Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (var id : ids) {
            bytes.putInt(id);
        }
        var crc = new CRC32();
        crc.update(bytes.array());
        return "%08x".formatted(crc.getValue());
    }
}
