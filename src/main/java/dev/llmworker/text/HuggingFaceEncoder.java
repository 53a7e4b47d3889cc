package dev.llmworker.text;

import static ai.djl.huggingface.tokenizers.jni.TokenizersLibrary.LIB;

import dev.llmworker.weights.ModelFileException;
import java.io.IOException;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.nio.file.Path;
import java.util.Arrays;

/// The Hugging Face tokenizers, called through DJL's native methods. DJL's own class also fetches words, offsets
/// and masks for each text, which takes twice as long.
public final class HuggingFaceEncoder implements TextEncoder {
    private static final Cleaner CLEANER = Cleaner.create();
    private static final String PROBE = "Hello, Wörld! 123\n\u0001\uD83D\uDE00";

    private final long handle;

    /// @param json a `tokenizer.json` without control tokens
    /// @param file the file it was made from, for messages
    /// @param problem the message's text if the tokenizer rejects it
    public HuggingFaceEncoder(String json, Path file, String problem) throws IOException {
        // Loaded separately, so that a failure to load the native library is not blamed on the file.
        TokenizerLibrary.load();
        try {
            handle = LIB.createTokenizerFromString(json);
            CLEANER.register(this, new Deletion(handle));
            LIB.disableTruncation(handle);
            LIB.disablePadding(handle);
            // Some contradictions only show when a text is encoded.
            encode(PROBE);
        } catch (RuntimeException e) {
            var refused = new ModelFileException(file, problem + ": " + e.getMessage());
            refused.initCause(e);
            throw refused;
        }
    }

    @Override
    public int[] encode(String text) {
        try {
            var encoding = LIB.encode(handle, text, false);
            try {
                var ids = LIB.getTokenIds(encoding);
                return Arrays.stream(ids).mapToInt(Math::toIntExact).toArray();
            } finally {
                LIB.deleteEncoding(encoding);
            }
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /// Must not refer to the encoder: the encoder would then never be collected.
    private record Deletion(long handle) implements Runnable {
        @Override
        public void run() {
            LIB.deleteTokenizer(handle);
        }
    }
}
