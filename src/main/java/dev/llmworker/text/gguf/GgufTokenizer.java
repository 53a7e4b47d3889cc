package dev.llmworker.text.gguf;

import dev.llmworker.text.FewestTokens;
import dev.llmworker.text.ModelTokenizer;
import dev.llmworker.text.ModelTokenizer.Ends;
import dev.llmworker.text.ModelTokenizer.Spelling;
import dev.llmworker.text.Vocabulary;
import dev.llmworker.weights.Metadata;
import dev.llmworker.weights.ModelFileException;
import java.io.IOException;

/// Makes the tokenizer that a GGUF file's metadata describe.
public final class GgufTokenizer {
    private GgufTokenizer() {}

    /// @throws ModelFileException if the metadata contradict themselves, or describe an unsupported tokenizer.
    ///     Supported: `tokenizer.ggml.model` gpt2 with the `tokenizer.ggml.pre` of [PreTokenizer], and llama
    public static ModelTokenizer of(Metadata metadata) throws IOException {
        var vocabulary = Vocabulary.of(metadata);
        var model = metadata.string("tokenizer.ggml.model");
        return switch (model) {
            case "gpt2" -> {
                var preTokenizer = PreTokenizer.of(metadata);
                yield new ModelTokenizer(
                        vocabulary,
                        Spelling.BYTE_LEVEL,
                        ByteLevelEncoder.of(metadata, vocabulary, preTokenizer),
                        ends(metadata, vocabulary, preTokenizer.beginsSequences()),
                        false,
                        preTokenizer.composes() ? FewestTokens.Covering.COMPOSED : FewestTokens.Covering.AS_IT_IS);
            }
            case "llama" -> {
                var addsLeadingSpace = metadata.flag("tokenizer.ggml.add_space_prefix", true);
                yield new ModelTokenizer(
                        vocabulary,
                        Spelling.SENTENCE_PIECE,
                        new SentencePieceEncoder(metadata, vocabulary, addsLeadingSpace),
                        ends(metadata, vocabulary, true),
                        addsLeadingSpace,
                        FewestTokens.Covering.SPACED);
            }
            default -> throw metadata.problem("tokenizer.ggml.model", "is " + model + "; supported: gpt2, llama");
        };
    }

    private static Ends ends(Metadata metadata, Vocabulary vocabulary, boolean beginsUnlessSaid)
            throws ModelFileException {
        var begin = Vocabulary.special(metadata, "tokenizer.ggml.bos_token_id", vocabulary.size());
        var end = Vocabulary.special(metadata, "tokenizer.ggml.eos_token_id", vocabulary.size());
        var begins = metadata.flag("tokenizer.ggml.add_bos_token", beginsUnlessSaid);
        if (begins && begin.isEmpty()) {
            throw new ModelFileException(
                    metadata.file(), "prompts begin with a token, but tokenizer.ggml.bos_token_id is missing");
        }
        return new Ends(begin, end, begins);
    }
}
