package dev.llmworker.text;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import dev.llmworker.weights.Metadata;
import dev.llmworker.weights.ModelFileException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/// Byte-level BPE, as GPT-2, Llama 3, Qwen and SmolLM have it, by the Hugging Face tokenizers through DJL.
final class ByteLevelEncoder implements TextEncoder {
    private static final Map<String, String> OPTIONS =
            Map.of("addSpecialTokens", "false", "truncation", "false", "padding", "false");

    private final HuggingFaceTokenizer tokenizer;

    /// @throws ModelFileException if merges and vocabulary do not fit together
    ByteLevelEncoder(Metadata metadata, Vocabulary vocabulary, PreTokenizer preTokenizer) throws IOException {
        // DJL reports its use to its makers otherwise.
        System.setProperty("OPT_OUT_TRACKING", "true");
        var merges = merges(metadata);
        var json = TokenizerJson.of(vocabulary, merges, preTokenizer);
        try {
            tokenizer = HuggingFaceTokenizer.newInstance(
                    new ByteArrayInputStream(json.getBytes(StandardCharsets.UTF_8)), OPTIONS);
        } catch (RuntimeException e) {
            var refused = new ModelFileException(
                    metadata.file(),
                    "tokenizer.ggml.merges and tokenizer.ggml.tokens make no tokenizer: " + e.getMessage());
            refused.initCause(e);
            throw refused;
        }
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

    @Override
    public int[] encode(String text) {
        var ids = tokenizer.encode(text, false, false).getIds();
        var narrowed = new int[ids.length];
        for (var i = 0; i < ids.length; i++) {
            narrowed[i] = (int) ids[i];
        }
        return narrowed;
    }
}
