package dev.llmworker.text;

import static ai.djl.huggingface.tokenizers.jni.TokenizersLibrary.LIB;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.djl.huggingface.tokenizers.jni.LibUtils;
import dev.llmworker.weights.ModelFileException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;

/// The Hugging Face tokenizers, through DJL.
final class HuggingFaceEncoder implements TextEncoder {
    private static final Map<String, String> OPTIONS =
            Map.of("addSpecialTokens", "false", "truncation", "false", "padding", "false");

    private static final String PROBE = "Hello, Wörld! 123\n\u0001\uD83D\uDE00";

    private final HuggingFaceTokenizer tokenizer;

    /// @param json a `tokenizer.json` without control tokens
    /// @param file what it was made from, for messages
    /// @param problem what to say of it where it is refused
    HuggingFaceEncoder(byte[] json, Path file, String problem) throws IOException {
        // DJL reports its use to its makers otherwise.
        System.setProperty("OPT_OUT_TRACKING", "true");
        // Apart, so that a native library that does not load is not blamed on the file.
        LibUtils.checkStatus();
        try {
            tokenizer = HuggingFaceTokenizer.newInstance(new ByteArrayInputStream(json), OPTIONS);
            // Some contradictions show only when a text is encoded.
            encode(PROBE);
        } catch (RuntimeException e) {
            var refused = new ModelFileException(file, problem + ": " + e.getMessage());
            refused.initCause(e);
            throw refused;
        }
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
