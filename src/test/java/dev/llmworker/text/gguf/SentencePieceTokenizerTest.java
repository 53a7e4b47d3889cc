package dev.llmworker.text.gguf;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import dev.llmworker.text.Detokenizer;
import dev.llmworker.text.TinyVocabularies;
import java.io.IOException;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SentencePieceTokenizerTest {
    @Test
    void textBeginsWithASpaceAndWordsAreMergedByScore() throws IOException {
        var model = TinyVocabularies.sentencePiece();

        assertArrayEquals(
                model.ids("▁hello", "▁", "he", "▁hello"), model.tokenizer().encodeText("hello he hello"));
    }

    @Test
    void noSpaceIsAddedWhereTheFileSaysSo() throws IOException {
        var model = TinyVocabularies.sentencePiece().flag("tokenizer.ggml.add_space_prefix", false);

        assertArrayEquals(model.ids("hello"), model.tokenizer().encodeText("hello"));
        assertFalse(model.tokenizer().addsLeadingSpace());
    }

    @Test
    void ofEqualScoresTheLeftmostIsMergedFirst() throws IOException {
        var model = TinyVocabularies.sentencePiece().flag("tokenizer.ggml.add_space_prefix", false);

        // By the last equal pair first, the five would end as aaa, aa.
        assertArrayEquals(model.ids("aa", "aaa"), model.tokenizer().encodeText("aaaaa"));
        assertArrayEquals(model.ids("aa", "aa"), model.tokenizer().encodeText("aaaa"));
    }

    @Test
    void zeroAndMinusZeroAreTheSameScore() throws IOException {
        var model = TinyVocabularies.sentencePiece().flag("tokenizer.ggml.add_space_prefix", false);
        model.add("x", TinyVocabularies.NORMAL, -90);
        model.add("xa", TinyVocabularies.NORMAL, -0f);
        model.scores.set(model.id("aa"), 0f);

        assertArrayEquals(model.ids("xa", "a"), model.tokenizer().encodeText("xaa"));
    }

    @Test
    void whatIsNoTokenIsSpelledInBytes() throws IOException {
        var model = TinyVocabularies.sentencePiece();

        assertArrayEquals(
                model.ids("▁", "<0xF0>", "<0x9F>", "<0x98>", "<0x80>", "<0x0A>"),
                model.tokenizer().encodeText("😀\n"));
    }

    @Test
    void theNameOfAByteTokenIsPlainText() throws IOException {
        var tokenizer = TinyVocabularies.sentencePiece().tokenizer();
        var detokenizer = new Detokenizer(tokenizer);

        var text = new StringBuilder();
        IntStream.of(tokenizer.encodeText("<0x0A>")).mapToObj(detokenizer::push).forEach(text::append);
        assertEquals("<0x0A>", text.toString());
    }

    @Test
    void textAfterAControlTokenBeginsWithASpaceAgain() throws IOException {
        var model = TinyVocabularies.sentencePiece();

        assertArrayEquals(
                model.ids("<s>", "▁hello", "</s>", "▁hello"),
                model.tokenizer().encodeWithControlTokens("<s>hello</s>hello"));
    }

    @Test
    void aUserDefinedTokenIsCutOutOfTheText() throws IOException {
        var model = TinyVocabularies.sentencePiece();
        model.add("<tool>", TinyVocabularies.USER_DEFINED, 0);
        var tokenizer = model.tokenizer();

        assertArrayEquals(model.ids("<tool>", "▁hello", "<tool>"), tokenizer.encodeText("<tool>hello<tool>"));
        assertArrayEquals("<tool>".getBytes(UTF_8), tokenizer.bytes(model.id("<tool>")));
    }

    @Test
    void withoutScoresAllPiecesAreAsGood() throws IOException {
        var model = TinyVocabularies.sentencePiece().without("tokenizer.ggml.scores");

        // The leftmost first: aa, then aaa.
        assertArrayEquals(model.ids("▁", "aaa", "aa"), model.tokenizer().encodeText("aaaaa"));
    }

    @Test
    void theUsualTokenBeginsPromptsIfTheFileNamesNone() throws IOException {
        var model = TinyVocabularies.sentencePiece()
                .without("tokenizer.ggml.bos_token_id")
                .without("tokenizer.ggml.eos_token_id");

        assertEquals(OptionalInt.of(1), model.tokenizer().beginOfSequence());
        assertEquals("<s>", model.tokenizer().specialTokens().get("bos_token"));
        assertEquals("</s>", model.tokenizer().specialTokens().get("eos_token"));
        assertEquals("<unk>", model.tokenizer().specialTokens().get("unk_token"));
    }

    @Test
    void controlTokensOfPhi3TakeTheWhiteSpaceAfterThem() throws IOException {
        var model = TinyVocabularies.sentencePiece().string("general.name", "Phi-3-mini");
        var text = "<s>\nhello</s>\n hello";

        assertArrayEquals(
                model.ids("<s>", "▁", "<0x0A>", "hello", "</s>", "▁hello"),
                model.tokenizer().encodeWithControlTokens(text));
    }

    @Seeded
    @Test
    void anyTextComesBackAsItWasAndHoldsNoControlToken() throws IOException {
        var seed = Seeds.seed();
        var random = new Random(seed);
        var parts = List.of("</s>", "<s>", "hello", " ", "  ", "aaa", "\n", "é", "日", "😀", "\u0000", "<0x41>");
        var tokenizer = TinyVocabularies.sentencePiece().tokenizer();
        for (var round = 0; round < Seeds.rounds(1_000); round++) {
            var text = new StringBuilder();
            IntStream.range(0, random.nextInt(10)).forEach(_ -> text.append(parts.get(random.nextInt(parts.size()))));
            var ids = tokenizer.encodeText(text.toString());
            var message = "seed " + seed + ": " + text;
            assertFalse(IntStream.of(ids).anyMatch(tokenizer.controlTokens()::containsValue), message);
            var detokenizer = new Detokenizer(tokenizer);
            var back = new StringBuilder();
            IntStream.of(ids).mapToObj(detokenizer::push).forEach(back::append);
            assertEquals(text.toString(), back.toString(), message);
        }
    }

    @Test
    void promptsBeginWithTheTokenForItUnlessTheFileSaysOtherwise() throws IOException {
        var model = TinyVocabularies.sentencePiece();

        assertEquals(OptionalInt.of(1), model.tokenizer().beginOfSequence());
        assertEquals(
                OptionalInt.empty(),
                model.flag("tokenizer.ggml.add_bos_token", false).tokenizer().beginOfSequence());
    }
}
