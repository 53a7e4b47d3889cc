package dev.llmworker.text.gguf;

import dev.llmworker.text.HuggingFaceEncoder;
import dev.llmworker.text.TextEncoder;
import dev.llmworker.text.TextPieces;
import dev.llmworker.text.Vocabulary;
import dev.llmworker.text.Vocabulary.Kind;
import dev.llmworker.weights.Metadata;
import dev.llmworker.weights.ModelFileException;
import java.io.IOException;
import java.util.List;

/// BPE from a GGUF file's metadata, as used by GPT-2, Llama 3, Qwen, SmolLM and Gemma 4.
final class BpeEncoder {
    private BpeEncoder() {}

    /// @throws ModelFileException if merges and vocabulary do not match
    /// @param leastPiece the least length of the pieces in which a text is encoded
    static TextEncoder of(Metadata metadata, Vocabulary vocabulary, PreTokenizer preTokenizer, int leastPiece)
            throws IOException {
        var merges = merges(metadata);
        var json = TokenizerJson.of(vocabulary, merges, preTokenizer);
        var control = vocabulary.controlTokens().values().stream()
                .mapToInt(Integer::intValue)
                .toArray();
        var added = vocabulary.named(Kind.USER_DEFINED, Kind.CONTROL, Kind.UNKNOWN).keySet().stream()
                .map(name -> new TextPieces.Name(name, false))
                .toList();
        return new HuggingFaceEncoder(
                json,
                control,
                TextPieces.byRegexes(preTokenizer.patterns(), false, added, leastPiece, metadata.file()),
                metadata.file(),
                "tokenizer.ggml.merges and tokenizer.ggml.tokens do not make a tokenizer");
    }

    private static List<String> merges(Metadata metadata) throws ModelFileException {
        var key = "tokenizer.ggml.merges";
        var merges = metadata.strings(key);
        for (var rank = 0; rank < merges.size(); rank++) {
            var merge = merges.get(rank);
            var space = merge.indexOf(' ');
            if (space < 1 || space == merge.length() - 1 || merge.indexOf(' ', space + 1) >= 0) {
                throw new ModelFileException(
                        metadata.file(),
                        key + " entry " + rank + " is \"" + merge + "\"; expected two tokens with a space between");
            }
        }
        return merges;
    }
}
