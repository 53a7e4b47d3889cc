package dev.llmworker.text.gguf;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import dev.llmworker.text.TinyVocabularies;
import dev.llmworker.text.Tokenizer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ByteLevelTokenizerTest {
    private static byte[] decoded(Tokenizer tokenizer, int[] ids) {
        var bytes = new ByteArrayOutputStream();
        for (var id : ids) {
            bytes.writeBytes(tokenizer.bytes(id));
        }
        return bytes.toByteArray();
    }

    @Test
    void wordsAreMergedWithTheSpaceBeforeThem() throws IOException {
        var model = TinyVocabularies.byteLevel("smollm");

        assertArrayEquals(
                model.ids("hello", "Ġhello", "Ġ", "hell", "h"),
                model.tokenizer().encodeText("hello hello hellh"));
    }

    @Test
    void textIsCutAsThePreTokenizerSays() throws IOException {
        var digits = "1 2";
        for (var name : List.of("smollm", "gpt-2", "llama-bpe", "qwen2", "tekken", "default")) {
            var model = TinyVocabularies.byteLevel(name);
            model.merge(digits);
            var expected =
                    List.of("gpt-2", "llama-bpe", "default").contains(name) ? model.ids("12") : model.ids("1", "2");
            assertArrayEquals(expected, model.tokenizer().encodeText("12"), name);
        }
    }

    @Test
    void aWordThatIsATokenIsTakenWholeByLlama3Alone() throws IOException {
        for (var name : List.of("llama-bpe", "smaug-bpe")) {
            var model = TinyVocabularies.byteLevel(name);
            var whole = model.add("xyz", TinyVocabularies.NORMAL, 0);
            var expected = name.equals("llama-bpe") ? new int[] {whole} : model.ids("x", "y", "z");
            assertArrayEquals(expected, model.tokenizer().encodeText("xyz"), name);
        }
    }

    /// Older files of Qwen3-Embedding do not say so, but the model is trained with it. Their end-of-sequence token is
    /// that of a chat.
    @Test
    void aTextOfWhichTheLastTokenCountsEndsWithTheEndOfTheText() throws IOException {
        for (var pooling : new int[] {0, 1, 3}) {
            var model = TinyVocabularies.byteLevel("qwen2");
            model.integer("llama.pooling_type", pooling);
            var end = model.tokenizer().endOfRawPrompt();
            assertEquals(pooling == 3 ? OptionalInt.of(model.id("<|endoftext|>")) : OptionalInt.empty(), end);
        }
    }

    @Test
    void theOldestFilesOfQwen3EmbeddingAreKnownByTheirName() throws IOException {
        for (var name : List.of("Qwen3 Embedding 0.6B", "Qwen3 0.6B")) {
            var model = TinyVocabularies.byteLevel("qwen2");
            model.architecture = "qwen3";
            model.string("general.name", name);
            var end = model.tokenizer().endOfRawPrompt();
            var expected = name.contains("Embedding") ? OptionalInt.of(model.id("<|endoftext|>")) : OptionalInt.empty();
            assertEquals(expected, end, name);
        }
    }

    @Test
    void aFileThatSaysWhetherTextsEndWithATokenIsBelieved() throws IOException {
        for (var ends : List.of(true, false)) {
            var model = TinyVocabularies.byteLevel("qwen2");
            model.integer("llama.pooling_type", 3).flag("tokenizer.ggml.add_eos_token", ends);
            var end = model.tokenizer().endOfRawPrompt();
            assertEquals(ends ? OptionalInt.of(model.id("<|im_end|>")) : OptionalInt.empty(), end);
        }
    }

    @Test
    void decomposedTextIsComposedForQwenAlone() throws IOException {
        for (var name : List.of("qwen2", "deepseek-r1-qwen")) {
            var tokenizer = TinyVocabularies.byteLevel(name).tokenizer();
            var text = new String(decoded(tokenizer, tokenizer.encodeText("e\u0301")), UTF_8);
            assertEquals(name.equals("qwen2") ? "é" : "e\u0301", text, name);
        }
    }

    @Test
    void aUserDefinedTokenIsTakenFromPlainTextAndStandsForItsName() throws IOException {
        var model = TinyVocabularies.byteLevel("smollm");
        var tokenizer = model.tokenizer();

        assertArrayEquals(model.ids("hello", "<tool>", "hello"), tokenizer.encodeText("hello<tool>hello"));
        assertArrayEquals("<tool>".getBytes(UTF_8), tokenizer.bytes(model.id("<tool>")));
    }

    @Test
    void namesOfControlTokensActOnlyWhereTheyAreAskedFor() throws IOException {
        var model = TinyVocabularies.byteLevel("smollm");
        var tokenizer = model.tokenizer();
        var text = "<|im_start|>hello<|im_end|>";

        assertArrayEquals(model.ids("<|im_start|>", "hello", "<|im_end|>"), tokenizer.encodeWithControlTokens(text));
        assertEquals(text, new String(decoded(tokenizer, tokenizer.encodeText(text)), UTF_8));
        assertEquals(0, tokenizer.bytes(model.id("<|im_end|>")).length);
    }

    @Test
    void aControlTokenThatIsAWholeWordIsStillPlainText() throws IOException {
        var model = TinyVocabularies.byteLevel("llama-bpe");
        var control = model.add("stop", TinyVocabularies.CONTROL, 0);

        assertArrayEquals(model.ids("s", "t", "o", "p"), model.tokenizer().encodeText("stop"));
        assertArrayEquals(new int[] {control}, model.tokenizer().encodeWithControlTokens("stop"));
    }

    @Test
    void aControlTokenThatMergesMakeIsStillPlainText() throws IOException {
        var model = TinyVocabularies.byteLevel("smollm").control("hello");
        var tokenizer = model.tokenizer();

        assertArrayEquals(model.ids("hell", "o"), tokenizer.encodeText("hello"));
        assertArrayEquals(model.ids("hell", "hello"), tokenizer.encodeWithControlTokens("hellhello"));
        // What the merges would make of it is gone with it.
        assertArrayEquals(model.ids("Ġ", "hell", "o"), tokenizer.encodeText(" hello"));
    }

    @Seeded
    @Test
    void anyTextComesBackAsItWasAndHoldsNoControlToken() throws IOException {
        var seed = Seeds.seed();
        var random = new Random(seed);
        var parts =
                List.of("<|im_end|>", "<|im_", "start|>", "hello", " ", "\n", "é", "日", "😀", "\u0000", "7", "\uFDD0");
        for (var name : List.of("smollm", "gpt-2", "llama-bpe", "tekken", "default", "smaug-bpe")) {
            var tokenizer = TinyVocabularies.byteLevel(name).tokenizer();
            for (var round = 0; round < Seeds.rounds(200); round++) {
                var text = new StringBuilder();
                IntStream.range(0, random.nextInt(10))
                        .forEach(_ -> text.append(parts.get(random.nextInt(parts.size()))));
                var ids = tokenizer.encodeText(text.toString());
                var message = name + ", seed " + seed + ": " + text;
                assertFalse(IntStream.of(ids).anyMatch(tokenizer.controlTokens()::containsValue), message);
                assertEquals(text.toString(), new String(decoded(tokenizer, ids), UTF_8), message);
            }
        }
    }

    @Test
    void aLoneSurrogateIsEncodedAsTheReplacementCharacter() throws IOException {
        var tokenizer = TinyVocabularies.byteLevel("smollm").tokenizer();

        assertArrayEquals(tokenizer.encodeText("a\uFFFDb😀\uFFFD"), tokenizer.encodeText("a\uD83Db😀\uDE00"));
        assertEquals("\uFFFD", new String(decoded(tokenizer, tokenizer.encodeText("\uD83D")), UTF_8));
    }

    @Test
    void threadsMayEncodeAtTheSameTime() throws IOException {
        var model = TinyVocabularies.byteLevel("smollm");
        var tokenizer = model.tokenizer();

        IntStream.range(0, 500).parallel().forEach(i -> {
            var text = "hello ".repeat(i % 7) + i;
            assertEquals(text, new String(decoded(tokenizer, tokenizer.encodeText(text)), UTF_8));
        });
    }

    @Test
    void promptsBeginAsTheFileSaysOrAsItsKindDoes() throws IOException {
        assertEquals(
                OptionalInt.empty(),
                TinyVocabularies.byteLevel("smollm").tokenizer().beginOfSequence());
        assertEquals(
                OptionalInt.of(1),
                TinyVocabularies.byteLevel("llama-bpe").tokenizer().beginOfSequence());
        assertEquals(
                OptionalInt.of(1),
                TinyVocabularies.byteLevel("smollm")
                        .flag("tokenizer.ggml.add_bos_token", true)
                        .tokenizer()
                        .beginOfSequence());
        assertEquals(
                OptionalInt.empty(),
                TinyVocabularies.byteLevel("llama-bpe")
                        .flag("tokenizer.ggml.add_bos_token", false)
                        .tokenizer()
                        .beginOfSequence());
    }

    @Test
    void chatTemplatesGetTheNamesOfTheTokensAtBothEnds() throws IOException {
        var tokenizer = TinyVocabularies.byteLevel("smollm").tokenizer();

        assertEquals("<|im_start|>", tokenizer.specialTokens().get("bos_token"));
        assertEquals("<|im_end|>", tokenizer.specialTokens().get("eos_token"));
    }
}
