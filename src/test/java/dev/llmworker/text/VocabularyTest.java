package dev.llmworker.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.weights.content.ModelFileException;
import java.io.IOException;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class VocabularyTest {
    private static Set<String> ends(TinyVocabularies model) throws IOException {
        var tokenizer = model.tokenizer();
        return IntStream.range(0, tokenizer.vocabularySize())
                .filter(tokenizer::isEndOfSequence)
                .mapToObj(model.tokens::get)
                .collect(Collectors.toCollection(TreeSet::new));
    }

    private static void assertRefused(String problem, TinyVocabularies model) {
        var refused = assertThrows(ModelFileException.class, model::tokenizer);
        var message = String.valueOf(refused.getMessage());
        assertTrue(message.endsWith(".gguf: " + problem), message);
    }

    @Test
    void anAnswerEndsByTheTokensThatTheFileOrTheirNamesSay() throws IOException {
        var model = TinyVocabularies.byteLevel("smollm");
        var turn = model.add("<turn-ends>", TinyVocabularies.CONTROL, 0);
        model.add("<|eom_id|>", TinyVocabularies.CONTROL, 0);
        model.integer("tokenizer.ggml.eot_token_id", turn);

        assertEquals(Set.of("<|endoftext|>", "<|im_end|>", "<|eom_id|>", "<turn-ends>"), ends(model));
    }

    @Test
    void aHarmonyModelGoesOnAfterTheEndOfAPart() throws IOException {
        var model = TinyVocabularies.byteLevel("smollm");
        for (var name : List.of("<|end|>", "<|return|>", "<|call|>")) {
            model.add(name, TinyVocabularies.CONTROL, 0);
        }

        assertEquals(Set.of("<|endoftext|>", "<|im_end|>", "<|return|>", "<|call|>"), ends(model));
    }

    @Test
    void gemmasTagForStruckOutTextIsNoEnd() throws IOException {
        for (var turn : List.of("<end_of_turn>", "<turn|>")) {
            var model = TinyVocabularies.byteLevel("smollm");
            model.add(turn, TinyVocabularies.CONTROL, 0);
            var tag = model.add("</s>", TinyVocabularies.USER_DEFINED, 0);
            assertEquals(Set.of("<|endoftext|>", "<|im_end|>", turn), ends(model));
            assertArrayEquals(new int[] {tag}, model.tokenizer().encodeText("</s>"));
        }
    }

    @Test
    void anEndThatTheFileTakesForTextIsAControlToken() throws IOException {
        var model = TinyVocabularies.byteLevel("smollm");
        var eot = model.add("<|eot_id|>", TinyVocabularies.NORMAL, 0);
        var tokenizer = model.tokenizer();

        assertTrue(tokenizer.isEndOfSequence(eot));
        assertEquals(0, tokenizer.bytes(eot).length);
        assertEquals(eot, tokenizer.controlTokens().get("<|eot_id|>"));
    }

    @Test
    void aWordLearntFromTextIsNoEnd() throws IOException {
        var model = TinyVocabularies.byteLevel("gpt-2");
        model.merge("< /");
        model.merge("</ s");
        var word = model.merge("</s >");
        var tokenizer = model.tokenizer();

        assertFalse(tokenizer.isEndOfSequence(word));
        assertArrayEquals(model.ids("</", "s", ">"), tokenizer.encodeText("</s>"));
        assertEquals(4, tokenizer.bytes(word).length);
    }

    @Test
    void anUnknownModelOrPreTokenizerIsRefusedWithThoseThatWork() {
        assertRefused(
                "metadata tokenizer.ggml.model is t5; supported: gemma4, gpt2, llama",
                TinyVocabularies.byteLevel("smollm").string("tokenizer.ggml.model", "t5"));
        assertRefused(
                "tokenizer.ggml.pre is kimi-k2; supported: a.x-4.0, bailingmoe, bailingmoe2, bloom, "
                        + "chatglm-bpe, codeshell, command-r, dbrx, deepseek-coder, deepseek-llm, deepseek-r1-qwen, "
                        + "deepseek-v3, default, exaone, exaone4, f2llmv2, falcon, falcon-h1, falcon3, gemma4, "
                        + "gigachat, glm4, gpt-2, gpt-4o, gpt3-finnish, granite-docling, grok-2, hunyuan, "
                        + "hunyuan-dense, hy_v4, jais, joyai-llm, kanana2, kormo, laguna, lfm2, llada-moe, llama-bpe, "
                        + "llama-v3, llama3, llama4, megrez, mellum, mellum2, midm-2.0, minerva-7b, minicpm5, "
                        + "minimax-m2, mpt, olmo, phi-2, pixtral, poro-chat, qwen2, qwen35, refact, seed-coder, "
                        + "smaug-bpe, smollm, solar-open, stablelm2, starcoder, superbpe, talkie, tekken, trillion, "
                        + "ufakzeka, viking",
                TinyVocabularies.byteLevel("kimi-k2"));
    }

    @Test
    void listsOfDifferentLengthAreRefused() {
        var model = TinyVocabularies.byteLevel("smollm");
        model.types.removeLast();
        assertRefused("tokenizer.ggml.token_type has 264 entries; tokenizer.ggml.tokens has 265", model);

        var pieces = TinyVocabularies.sentencePiece();
        pieces.scores.add(0f);
        assertRefused("tokenizer.ggml.scores has 274 entries; tokenizer.ggml.tokens has 273", pieces);
    }

    @Test
    void idsAndTypesOutOfRangeAreRefused() {
        assertRefused(
                "tokenizer.ggml.eos_token_id is 265; the vocabulary has tokens 0 to 264",
                TinyVocabularies.byteLevel("smollm").integer("tokenizer.ggml.eos_token_id", 265));
        assertRefused(
                "tokenizer.ggml.bos_token_id is -1; the vocabulary has tokens 0 to 264",
                TinyVocabularies.byteLevel("smollm").integer("tokenizer.ggml.bos_token_id", -1));
        var model = TinyVocabularies.byteLevel("smollm");
        model.types.set(7, 9);
        assertRefused("tokenizer.ggml.token_type of token 7 is 9; expected 0 to 6", model);
    }

    @Test
    void mergesThatAreNoPairsOrNameNoTokensAreRefused() {
        for (var merge : List.of("hello", " hello", "hello ", "h e l")) {
            var model = TinyVocabularies.byteLevel("smollm");
            model.merges.set(1, merge);
            assertRefused(
                    "tokenizer.ggml.merges entry 1 is \"" + merge + "\"; expected two tokens with a space between",
                    model);
        }
        var model = TinyVocabularies.byteLevel("smollm");
        model.merges.set(1, "he absent");
        var refused = assertThrows(ModelFileException.class, model::tokenizer);
        assertTrue(
                String.valueOf(refused.getMessage()).contains("Token `absent` out of vocabulary"),
                refused.getMessage());
    }

    @Test
    void byteTokensMustBeAllThere() {
        var model = TinyVocabularies.sentencePiece();
        model.types.set(model.id("<0x41>"), TinyVocabularies.NORMAL);
        assertRefused("tokenizer.ggml.tokens has 255 byte tokens; expected 256", model);

        var misnamed = TinyVocabularies.sentencePiece();
        misnamed.tokens.set(misnamed.id("<0x41>"), "<0xXY>");
        assertRefused("tokenizer.ggml.tokens has no byte token <0x41>", misnamed);
    }

    @Test
    void aScoreThatIsNoNumberIsRefused() {
        var model = TinyVocabularies.sentencePiece();
        model.scores.set(5, Float.NaN);
        assertRefused("tokenizer.ggml.scores of token 5 is NaN", model);
    }

    @Test
    void aModelThatBeginsPromptsMustSayWithWhichToken() {
        var model = TinyVocabularies.byteLevel("llama-bpe");
        model.keys.remove("tokenizer.ggml.bos_token_id");
        assertRefused("prompts begin with a token, but tokenizer.ggml.bos_token_id is missing", model);
    }

    /// The search for such names took a time that grew by their length for each character of a text.
    @Test
    void namesThatAreTooLongAreRefused() throws IOException {
        var million = "x".repeat(1_000_000);
        for (var type : List.of(TinyVocabularies.CONTROL, TinyVocabularies.USER_DEFINED, TinyVocabularies.NORMAL)) {
            var limit = type == TinyVocabularies.NORMAL ? 1024 : 256;
            var longest = TinyVocabularies.byteLevel("gpt-2");
            longest.add("x".repeat(limit), type, 0);
            assertEquals(longest.tokens.size(), longest.tokenizer().vocabularySize());
            for (var name : List.of("x".repeat(limit + 1), million)) {
                var model = TinyVocabularies.sentencePiece();
                var id = model.add(name, type, 0);
                var refused = assertThrows(ModelFileException.class, model::tokenizer);
                assertTrue(
                        String.valueOf(refused.getMessage())
                                .contains("the name of token " + id + " has " + name.length()
                                        + " characters; supported: up to " + limit),
                        refused.getMessage());
            }
        }
    }
}
