package dev.llmworker.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.hub.StarterModelFile;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import dev.llmworker.text.chat.ChatMessage;
import dev.llmworker.text.chat.ChatTemplate;
import dev.llmworker.text.chat.PromptEncoder;
import dev.llmworker.text.gguf.GgufTokenizer;
import dev.llmworker.weights.Gguf;
import java.io.IOException;
import java.text.Normalizer;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Concurrent
class FewestTokensTest {
    private static final List<String> PIECES = List.of(
            "hello",
            " hello",
            "hellohellohello",
            " ",
            "  ",
            "▁",
            "▁hello",
            "e\u0301",
            "\u1112\u1161\u11ab",
            "é",
            "1",
            "111",
            "\u0001",
            "\n",
            "<tool>",
            "<|im_end|>",
            "\uD83D\uDE00",
            "\uD83D",
            "the quick brown fox",
            "aaaa",
            " internationalization",
            "                ",
            "0000000000000000",
            "—————",
            "<",
            "ab");

    private static void assertNeverMore(Tokenizer tokenizer, String what) {
        var seed = Seeds.seed();
        var random = new Random(seed);
        for (var round = 0; round < Seeds.rounds(2_000); round++) {
            var text = new StringBuilder();
            for (var i = random.nextInt(12); i > 0; i--) {
                text.append(PIECES.get(random.nextInt(PIECES.size())).repeat(1 + random.nextInt(3)));
            }
            var fewest = tokenizer.fewestTokens(text.toString());
            var is = tokenizer.encodeText(text.toString()).length;
            assertTrue(
                    fewest <= is, () -> what + ", seed " + seed + ": " + fewest + " > " + is + " of \"" + text + '"');
        }
    }

    private static TinyVocabularies withLongWords(TinyVocabularies model) {
        for (var pair : List.of("hello hello", "hellohello hello")) {
            model.merge(pair);
        }
        return model;
    }

    private static TinyVocabularies spaced() {
        var model = TinyVocabularies.sentencePiece();
        var score = -100;
        for (var word : List.of("▁▁▁▁", "▁▁▁▁▁▁▁▁", "hellohello", "▁hellohello", "▁hellohellohello")) {
            model.add(word, TinyVocabularies.NORMAL, score--);
        }
        model.add("hello▁hello", TinyVocabularies.USER_DEFINED, 0);
        return model;
    }

    @Seeded
    @Test
    void noTextHasFewerTokens() throws IOException, InterruptedException {
        for (var name : List.of("smollm", "gpt-2", "llama-bpe", "qwen2", "tekken", "default")) {
            assertNeverMore(withLongWords(TinyVocabularies.byteLevel(name)).tokenizer(), name);
        }
        assertNeverMore(spaced().tokenizer(), "SentencePiece");
        assertEquals(1, spaced().tokenizer().fewestTokens("hello▁hello"));
        assertNeverMore(spaced().flag("tokenizer.ggml.add_space_prefix", false).tokenizer(), "without a space");
        try (var gguf = Gguf.open(StarterModelFile.path())) {
            assertNeverMore(GgufTokenizer.of(gguf.metadata()), "the starter model");
        }
    }

    @Test
    void itIsNearWhatATextHas() throws IOException, InterruptedException {
        try (var gguf = Gguf.open(StarterModelFile.path())) {
            var tokenizer = GgufTokenizer.of(gguf.metadata());
            for (var text :
                    List.of("The quick brown fox jumps over the lazy dog. ", "if (x == null) {\n    y();\n}\n")) {
                var fewest = tokenizer.fewestTokens(text.repeat(200));
                var is = tokenizer.encodeText(text.repeat(200)).length;
                assertTrue(fewest * 3 > is, fewest + " for " + is);
            }
            assertEquals(200_000, tokenizer.fewestTokens("1".repeat(1_000_000)));
        }
    }

    @Test
    void aPromptThatCannotFitIsRefusedBeforeItIsEncoded() throws IOException {
        var model = TinyVocabularies.byteLevel("smollm").tokenizer();
        var untouched = new Untouched(model);
        var text = "<|im_start|>" + "1".repeat(600);
        ChatTemplate template =
                (messages, _, _) -> "<|im_start|>" + messages.getFirst().content();
        var messages = List.of(ChatMessage.user(text));
        for (var encoder : List.of(new PromptEncoder(untouched, template), new PromptEncoder(untouched, null))) {
            var refused = assertThrows(
                    PromptTooLongException.class, () -> encoder.encode(messages, List.of(), Map.of(), 100));
            assertTrue(refused.fewestTokens() >= 120, refused.getMessage());
        }
        var raw = new PromptEncoder(untouched, template);
        assertEquals(
                121,
                assertThrows(PromptTooLongException.class, () -> raw.encodeRaw(text, 100))
                        .fewestTokens());
        // What may fit is encoded.
        assertEquals(601, new PromptEncoder(model, template).encodeRaw(text, 121).length);
    }

    /// A tokenizer that must not encode.
    private record Untouched(Tokenizer known) implements Tokenizer {
        @Override
        public int[] encodeText(String text) {
            throw new AssertionError("it was encoded");
        }

        @Override
        public int[] encodeWithControlTokens(String text) {
            throw new AssertionError("it was encoded");
        }

        @Override
        public int[] encodeMarked(String text, char mark) {
            throw new AssertionError("it was encoded");
        }

        @Override
        public int fewestTokens(String text) {
            return known.fewestTokens(text);
        }

        @Override
        public byte[] bytes(int id) {
            return known.bytes(id);
        }

        @Override
        public boolean isEndOfSequence(int id) {
            return known.isEndOfSequence(id);
        }

        @Override
        public int vocabularySize() {
            return known.vocabularySize();
        }

        @Override
        public OptionalInt beginOfSequence() {
            return known.beginOfSequence();
        }

        @Override
        public Map<String, Integer> controlTokens() {
            return known.controlTokens();
        }
    }

    /// A normalizer of the JDK takes minutes for these.
    @Test
    @Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void longRunsOfCombiningMarksTakeLittleMoreThanLinearTime() throws IOException {
        var tokenizer = GgufTokenizer.of(TinyVocabularies.byteLevel("qwen2").metadata());
        var marks = "\u0300\u0323\u0345\u0344\u0f71\u0f72\uD834\uDD65";
        assertTrue(tokenizer.fewestTokens("e" + marks.repeat(100_000)) > 1);
        assertTrue(tokenizer.encodeText("e" + marks.repeat(30_000)).length > 30_000);
    }

    @Test
    void orderingMarksChangesNoNormalForm() {
        var seed = Seeds.seed();
        var random = new Random(seed);
        var marks = "eé\u0300\u0323\u0345\u0344\u0340\u0f71\u0f72\u0f73\u093e\u0901\u0315\u035c\u20dd".toCharArray();
        for (var round = 0; round < Seeds.rounds(500); round++) {
            var text = new StringBuilder();
            for (var i = random.nextInt(90); i > 0; i--) {
                text.append(marks[random.nextInt(100) == 0 ? random.nextInt(2) : 2 + random.nextInt(marks.length - 2)]);
            }
            var ordered = CanonicalOrder.ordered(text.toString());
            for (var form : Normalizer.Form.values()) {
                assertEquals(Normalizer.normalize(text, form), Normalizer.normalize(ordered, form), "seed " + seed);
            }
        }
    }
}
