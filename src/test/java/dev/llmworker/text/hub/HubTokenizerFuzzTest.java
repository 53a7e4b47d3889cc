package dev.llmworker.text.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import dev.llmworker.weights.Safetensors;
import dev.llmworker.weights.SafetensorsFolder;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.ModelFileException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Damages sound tokenizer files: each makes a tokenizer that encodes a text, or is refused, and never fails otherwise.
@Timeout(600)
@Concurrent
class HubTokenizerFuzzTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int VOCABULARY = 1024;
    private static final int BYTE_LEVEL = 3;
    private static final List<String> EXTREMES = List.of(
            "-1",
            "0",
            "1e400",
            "18446744073709551616",
            "null",
            "true",
            "[]",
            "{}",
            "\"\"",
            "\"\\u0000\"",
            "\"(\"",
            "[[]]");

    @TempDir
    private Path directory;

    private int made;
    private int refused;

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void everyExtremeInThePlaceOfEveryPartIsReadOrRefused(int kind) throws IOException {
        var sound = sound(kind);
        for (var place : places(sound, new ArrayList<>(), "")) {
            for (var extreme : EXTREMES) {
                var damaged = sound.deepCopy();
                replace(damaged, place, JSON.readTree(extreme));
                read(JSON.writeValueAsBytes(damaged), place + " = " + extreme);
            }
        }
        assertTrue(made > 50 && refused > 100, made + " made, " + refused + " refused");
    }

    @Seeded
    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3})
    void randomDamageIsReadOrRefused(int kind) throws IOException {
        var seed = Seeds.seed();
        var random = new Random(seed);
        var sound = JSON.writeValueAsBytes(sound(kind));
        for (var round = 0; round < Seeds.rounds(300); round++) {
            read(damaged(sound, random), "kind " + kind + " seed " + seed + " round " + round);
        }
        assertTrue(refused > 10, made + " made, " + refused + " refused");
    }

    /// Damage at which the library failed at a client's text.
    @ParameterizedTest
    @CsvSource({
        "0, -2936475378295519443, 240",
        "0, -8303972703179782545, 120",
        "1, -7862202350478266369, 191",
        "1, -7448924164394890091, 24"
    })
    void damageThatFailedOnceIsReadOrRefused(int kind, long seed, int round) throws IOException {
        var random = new Random(seed);
        var sound = JSON.writeValueAsBytes(sound(kind));
        for (var i = 0; i <= round; i++) {
            var bytes = damaged(sound, random);
            if (i >= round - 1) {
                read(bytes, "kind " + kind + " seed " + seed + " round " + i);
            }
        }
    }

    private static byte[] damaged(byte[] sound, Random random) {
        var bytes = sound.clone();
        for (var changes = 1 + random.nextInt(4); changes > 0; changes--) {
            bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(Byte.SIZE));
        }
        return bytes;
    }

    @Test
    void anUnknownTokenThatTheVocabularyLacksIsRefused() throws IOException {
        var damaged = sound(0);
        ((ObjectNode) damaged.at("/model")).put("unk_token", "<gone>");
        read(JSON.writeValueAsBytes(damaged), "no such unknown token");
        assertEquals(1, refused);
    }

    @Test
    void aTokenizerThatFailsAtSomeTextsIsRefusedBeforeAClientSendsOne() throws IOException {
        var damaged = sound(BYTE_LEVEL);
        ((ObjectNode) damaged.at("/model")).put("unk_token", "<gone>");
        damaged.putNull("pre_tokenizer");
        read(JSON.writeValueAsBytes(damaged), "characters that are no bytes");
        assertEquals(1, refused);
    }

    @Test
    void anUnknownTokenThatIsAControlTokenStandsForWhatTheVocabularyLacks() throws IOException {
        var file = sound(0);
        ((ObjectNode) file.at("/model")).put("byte_fallback", false);
        read(JSON.writeValueAsBytes(file), "no bytes to fall back to");
        assertEquals(1, made);
    }

    @Test
    void zerosThatLookLikeUtf32AreRefused() throws IOException {
        sound(0);
        read("{\0\0\0\0\0z\0".getBytes(StandardCharsets.US_ASCII), "no UTF-32");
        assertEquals(1, refused);
    }

    private ObjectNode sound(int kind) throws IOException {
        new SafetensorsFolder(VOCABULARY).write(directory);
        try (var stream = HubTokenizerFuzzTest.class.getResourceAsStream("/golden/hub_tokens.json")) {
            var golden = JSON.readTree(stream).get(kind);
            JSON.writeValue(directory.resolve("tokenizer_config.json").toFile(), golden.get("config"));
            return (ObjectNode) golden.get("tokenizer");
        }
    }

    /// Pointers to all values; of the vocabulary and the merges the first few only.
    private static List<String> places(JsonNode node, List<String> found, String at) {
        var few = at.endsWith("/vocab") || at.endsWith("/merges");
        var count = 0;
        for (var name : names(node)) {
            if (few && count++ == 3) {
                break;
            }
            found.add(at + "/" + name);
            places(node.at("/" + name), found, at + "/" + name);
        }
        return found;
    }

    private static List<String> names(JsonNode node) {
        var names = new ArrayList<String>();
        if (node.isObject()) {
            node.fieldNames()
                    .forEachRemaining(name -> names.add(name.replace("~", "~0").replace("/", "~1")));
        }
        for (var i = 0; node.isArray() && i < node.size(); i++) {
            names.add(Integer.toString(i));
        }
        return names;
    }

    private static void replace(JsonNode root, String place, JsonNode by) {
        var cut = place.lastIndexOf('/');
        var name = place.substring(cut + 1).replace("~1", "/").replace("~0", "~");
        switch (root.at(place.substring(0, cut))) {
            case ObjectNode object -> object.set(name, by);
            case ArrayNode array -> array.set(Integer.parseInt(name), by);
            case JsonNode other -> throw new IllegalStateException(place + " is in " + other);
        }
    }

    private void read(byte[] bytes, String damage) throws IOException {
        Files.write(directory.resolve("tokenizer.json"), bytes);
        try (var model = StoredModel.open(directory)) {
            var tokenizer = HubTokenizer.of((Safetensors) model);
            made++;
            for (var id : tokenizer.encodeWithControlTokens("Hello <s>[INST] wörld</s> 123\n")) {
                assertTrue(id >= 0 && id < tokenizer.vocabularySize(), damage + " gives token " + id);
                tokenizer.bytes(id);
            }
        } catch (ModelFileException refusal) {
            refused++;
        } catch (RuntimeException | Error failure) {
            fail(damage, failure);
        }
    }
}
