package dev.llmworker.text;

import static ai.djl.huggingface.tokenizers.jni.TokenizersLibrary.LIB;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.djl.huggingface.tokenizers.jni.LibUtils;
import dev.llmworker.weights.Metadata;
import dev.llmworker.weights.ModelFileException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
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
        // Apart, so that a native library that does not load is not blamed on the file.
        LibUtils.checkStatus();
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
        // Not tokenizer.encode(): that also fetches words, offsets and masks, an object per token, and takes twice as
        // long.
        var encoding = LIB.encode(tokenizer.getHandle(), text, false);
        try {
            var ids = LIB.getTokenIds(encoding);
            return Arrays.stream(ids).mapToInt(Math::toIntExact).toArray();
        } finally {
            LIB.deleteEncoding(encoding);
        }
    }
}
